//! Disturbances of the site while its clients send requests.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;

use super::Schedule;
use super::site::{LARGE, Site};
use crate::proxy::running::Program;
use crate::serve::server::{get, new_arbiter, send_signal};

/// Larger than the disk.
const UPLOAD: usize = 24 * 1024 * 1024;

type Action<'a> = Box<dyn FnMut() -> io::Result<()> + Send + 'a>;

pub(super) struct Disturbance<'a> {
    pub(super) name: String,
    pub(super) count: u64,
    /// Clients of a disturbance may not lose anything, either.
    pub(super) failures: Vec<String>,
    pause: Duration,
    action: Action<'a>,
}

impl<'a> Disturbance<'a> {
    fn new(
        name: impl Into<String>,
        pause: Duration,
        action: impl FnMut() -> io::Result<()> + Send + 'a,
    ) -> Disturbance<'a> {
        Disturbance { name: name.into(), count: 0, failures: Vec::new(), pause, action: Box::new(action) }
    }

    pub(super) fn all(site: &'a Site) -> Vec<Disturbance<'a>> {
        // A `Server` has the receiver of its log, which threads cannot share.
        let (stable, crashing) = (site.stable.id(), site.crashing.address.clone());
        let mut workers = [Signal::TTIN, Signal::TTOU].into_iter().cycle();
        let mut crashes = ["/segfault", "/exit"].into_iter().cycle();
        let mut all = vec![
            Disturbance::new("reload of lab serve", Duration::from_secs(2), move || {
                send_signal(stable, Signal::HUP);
                Ok(())
            }),
            Disturbance::new("upgrade of lab serve, or the way back", Duration::from_millis(2700), move || {
                upgrade_or_return(stable);
                Ok(())
            }),
            Disturbance::new("one worker more or fewer", Duration::from_millis(1300), move || {
                send_signal(stable, workers.next().expect("a cycle"));
                Ok(())
            }),
            Disturbance::new("crash of a worker", Duration::from_millis(700), move || {
                // A worker that crashes has no response to this.
                let path = crashes.next().expect("a cycle");
                _ = get(TcpStream::connect(&crashing)?, path);
                Ok(())
            }),
        ];
        let mut addresses = vec![("lab serve".to_owned(), site.stable.address.clone())];
        for (program, proxy) in &site.proxies {
            addresses.push((format!("{program:?}"), proxy.address.to_string()));
            // nginx closes kept connections at a reload, even while a request arrives on one.
            if *program == Program::Lab {
                all.push(Disturbance::new("reload of lab proxy", Duration::from_secs(3), || {
                    proxy.signal(Signal::HUP);
                    Ok(())
                }));
            }
        }
        for (name, address) in addresses {
            let own = address.clone();
            all.push(Disturbance::new(format!("slow reader at {name}"), Duration::ZERO, move || read_slowly(&own)));
            let own = address.clone();
            all.push(Disturbance::new(format!("slow sender at {name}"), Duration::ZERO, move || send_slowly(&own)));
            if let Some(disk) = &site.disk
                && name != format!("{:?}", Program::Nginx)
            {
                let name = format!("upload to {name} that fills the disk");
                let filler = disk.folder.join(name.replace(' ', "-"));
                let mut is_full = false;
                all.push(Disturbance::new(name, Duration::from_millis(300), move || {
                    // Every second upload finds a disk without a free byte.
                    is_full = !is_full;
                    if is_full {
                        _ = fs::write(&filler, vec![0; UPLOAD]);
                    } else {
                        fs::remove_file(&filler)?;
                    }
                    upload(&address)
                }));
            }
        }
        all
    }

    pub(super) fn run(mut self, schedule: &Schedule) -> Disturbance<'a> {
        while !schedule.is_over() {
            match (self.action)() {
                Ok(()) => self.count += 1,
                Err(error) => self.failures.push(format!("{}: {error}", self.name)),
            }
            std::thread::sleep(self.pause);
        }
        self
    }
}

/// Starts a new arbiter beside the one of this id, or ends the one that is there.
pub(crate) fn upgrade_or_return(arbiter: u32) {
    match new_arbiter(arbiter) {
        Some(new) => send_signal(new, Signal::TERM),
        None => send_signal(arbiter, Signal::USR2),
    }
}

/// Reads a large response with pauses. It must be complete.
fn read_slowly(address: &str) -> io::Result<()> {
    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(Duration::from_secs(30)))?;
    client.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let (mut length, mut piece) = (0, vec![0; 512 * 1024]);
    loop {
        std::thread::sleep(Duration::from_millis(20));
        match client.read(&mut piece)? {
            0 => break,
            read => length += read,
        }
    }
    let expected = LARGE..LARGE + 1000;
    if expected.contains(&length) { Ok(()) } else { Err(io::Error::other(format!("{length} bytes of {LARGE}"))) }
}

/// Sends a request byte by byte.
fn send_slowly(address: &str) -> io::Result<()> {
    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(Duration::from_secs(30)))?;
    for byte in b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nHello" {
        client.write_all(&[*byte])?;
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut response = String::new();
    client.read_to_string(&mut response)?;
    if response.ends_with("Hello") { Ok(()) } else { Err(io::Error::other(response)) }
}

/// Sends more than the disk holds. The response must say so.
fn upload(address: &str) -> io::Result<()> {
    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {UPLOAD}\r\n\r\n")?;
    let piece = vec![b'u'; 64 * 1024];
    // The server may close the connection before it has read everything.
    let _ = (0..UPLOAD / piece.len()).try_for_each(|_| client.write_all(&piece));
    let mut response = Vec::new();
    let end = client.read_to_end(&mut response);
    match response.starts_with(b"HTTP/1.1 507 ") {
        true => Ok(()),
        false => Err(io::Error::other(format!("{:?} {end:?}", response.escape_ascii().to_string()))),
    }
}

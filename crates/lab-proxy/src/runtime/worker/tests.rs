//! Panics of a worker that serves real connections.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::*;
use crate::read_configuration_text;

/// Where a worker panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Accepting,
    Connection,
}

thread_local! {
    /// Where this thread's worker panics for each further connection.
    static PANICS: RefCell<VecDeque<Option<Place>>> = const { RefCell::new(VecDeque::new()) };
    static CURRENT: Cell<Option<Place>> = const { Cell::new(None) };
}

pub(super) fn panic_if_told(place: Place) {
    if place == Place::Accepting {
        CURRENT.set(PANICS.with_borrow_mut(VecDeque::pop_front).flatten());
    }
    assert!(CURRENT.get() != Some(place), "a panic of the test");
}

/// The response to a request, or the part that arrived before the connection ended.
fn ask(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
    let mut got = Vec::new();
    // a connection that is closed without having been read is reset
    _ = stream.read_to_end(&mut got);
    String::from_utf8(got).unwrap()
}

#[test]
fn panics_end_connections_and_not_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("error.log");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let text = format!(
        "error_log {}; events {{ }} http {{ server {{ listen {address}; return 200 served; }} }}",
        log.display()
    );
    let config = Arc::new(read_configuration_text(&text, Path::new("nginx.conf")).unwrap());
    let logs = LogFiles::open(&config).unwrap();
    let state = WorkerState { config, logs, tls: Arc::default(), caches: Arc::default() };
    let (command, commands) = watch::channel(WorkerCommand::Serve);
    let worker = thread::spawn(move || {
        PANICS.set([None, Some(Place::Connection), Some(Place::Accepting), Some(Place::Connection)].into());
        run(&state, vec![(Socket::from(listener), vec![0])], &commands)
    });
    let mut kept = TcpStream::connect(address).unwrap();
    kept.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut ask_kept = || {
        kept.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"served") {
            let mut byte = [0];
            kept.read_exact(&mut byte).expect("the connection is kept");
            got.extend_from_slice(&byte);
        }
    };
    ask_kept();
    assert_eq!(ask(address), "", "the task of a connection panics");
    ask_kept();
    assert_eq!(ask(address), "", "the task that accepts panics");
    assert_eq!(ask(address), "", "the worker has started again, and a connection's task panics");
    assert!(ask(address).ends_with("served"));
    command.send(WorkerCommand::Quit).unwrap();
    assert!(worker.join().unwrap().is_ok());
    assert!(TcpStream::connect(address).is_err(), "the listener is closed");
    let log = std::fs::read_to_string(&log).unwrap();
    // two connections panicked themselves, and one was kept when the worker did
    assert_eq!(log.matches("a connection ended by a panic").count(), 3, "{log}");
    assert_eq!(log.matches("worker panicked, and starts again").count(), 1, "{log}");
}

//! A headless Chromium, driven over WebDriver.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use regex::Regex;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use url::{ParseError, Url};

use super::wait_until;

/// A browser with one window. It ends with this value.
pub(crate) struct Browser {
    client: Client,
    runtime: Runtime,
    driver: Child,
}

/// A command that only Chromium's driver knows, below the path of the session.
#[derive(Debug)]
struct ChromiumCommand {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for ChromiumCommand {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// A chromedriver, the rest of its output, and the port that it chose. None if it has ended.
fn start_driver() -> Option<(Child, Lines<BufReader<ChildStdout>>, String)> {
    let mut driver =
        Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| {
        let line = line.unwrap();
        let (_, port) = line.split_once("started successfully on port ")?;
        Some(port.trim_end_matches('.').to_owned())
    });
    match port {
        Some(port) => Some((driver, lines, port)),
        None => {
            driver.wait().unwrap();
            None
        }
    }
}

impl Browser {
    pub(crate) fn start() -> Browser {
        // It ends if another program has the port that it chose, for IPv4 or for IPv6.
        let started = std::iter::repeat_with(start_driver).take(5).flatten().next();
        let (driver, lines, port) = started.expect("chromedriver starts");
        let address = format!("http://127.0.0.1:{port}");
        // Otherwise it would block once nobody reads its messages.
        std::thread::spawn(move || lines.for_each(drop));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Containers and root have no sandbox.
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        let capabilities = json!({
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "binary": super::tool::CHROMIUM, "args": arguments },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("the literal is an object") };
        let client = runtime.block_on(async {
            ClientBuilder::new(HttpConnector::new()).capabilities(capabilities).connect(&address).await
        });
        Browser { client: client.unwrap(), runtime, driver }
    }

    /// Opens a page from the disk and waits until its script has run.
    pub(crate) fn open(&self, page: &Path) {
        self.go_to(&format!("file://{}", page.display()));
        wait_until("the page is ready", || {
            !self.run("return document.documentElement.dataset.ready ?? null").is_null()
        });
    }

    /// [`open`](Browser::open); the CPU time of the page's main thread, which other processes do not lengthen.
    pub(crate) fn open_timed(&self, page: &Path) -> Duration {
        self.devtools("Performance.enable", &json!({ "timeDomain": "threadTicks" }));
        self.open(page);
        let metrics = self.devtools("Performance.getMetrics", &json!({}));
        let tasks = metrics["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == "TaskDuration");
        Duration::from_secs_f64(tasks.unwrap()["value"].as_f64().unwrap())
    }

    pub(crate) fn go_to(&self, address: &str) {
        self.runtime.block_on(self.client.goto(address)).unwrap();
    }

    /// The result of a script.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        self.runtime.block_on(self.client.execute(script, Vec::new())).unwrap()
    }

    /// What a script passes to the callback `done`.
    #[track_caller]
    pub(crate) fn run_async(&self, script: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1]; {script}");
        self.runtime.block_on(self.client.execute_async(&script, Vec::new())).unwrap()
    }

    /// Clicks on an element as a mouse does.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        // In the middle, where nothing sticks to an edge of the window.
        self.run(&format!("document.querySelector(\"{selector}\").scrollIntoView({{ block: 'center' }})"));
        let clicked = async { self.client.find(Locator::Css(selector)).await?.click().await };
        self.runtime.block_on(clicked).unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Makes the window as wide as a screen of this many pixels.
    pub(crate) fn resize(&self, width: u32) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Makes the system's setting `light` or `dark`.
    pub(crate) fn set_colour_scheme(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// Lays the page out as on paper of this width; `None` for the screen.
    pub(crate) fn set_paper(&self, width: Option<u32>) {
        let medium = if width.is_some() { "print" } else { "" };
        self.devtools("Emulation.setEmulatedMedia", &json!({ "media": medium }));
        self.resize(width.unwrap_or(1400));
    }

    /// Prints the page into a PDF and throws it away; the number of its pages.
    pub(crate) fn print(&self) -> usize {
        let pdf = self.command("print", json!({}));
        let pdf = STANDARD.decode(pdf.as_str().unwrap()).unwrap();
        assert!(pdf.starts_with(b"%PDF"));
        let pages = Regex::new(r"/Type\s*/Page\b").unwrap();
        pages.find_iter(&String::from_utf8_lossy(&pdf)).count()
    }

    /// The messages on the console since the last call, errors of requests and of scripts among them.
    pub(crate) fn console(&self) -> Vec<String> {
        let log = self.command("se/log", json!({ "type": "browser" }));
        log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    fn command(&self, path: &'static str, body: Value) -> Value {
        self.runtime.block_on(self.client.issue_cmd(ChromiumCommand { path, body })).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser that does not answer any more is killed with its driver.
        let _ = self.runtime.block_on(self.client.clone().close());
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

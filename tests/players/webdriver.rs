//! Chromium by chromedriver: as much of the WebDriver protocol as is needed.

use super::Result;
use super::http::Http;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A browser without a window.
pub(crate) struct Browser {
    child: Child,
    http: Http,
    session: String,
}

impl Browser {
    /// Starts chromedriver, and by it Chromium with an empty profile in `home` and more arguments.
    pub(crate) fn start(home: &Path, more: &[&str]) -> Result<Browser> {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", home)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut lines = stdout.lines().map_while(std::io::Result::ok);
        let port = lines
            .find_map(|line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok());
        std::thread::spawn(move || lines.for_each(drop));
        let http = Http::connect(port.ok_or("chromedriver tells no port")?, "")?;
        let mut browser = Browser { child, http, session: String::new() };
        browser.open(home, more)?;
        Ok(browser)
    }

    fn open(&mut self, home: &Path, more: &[&str]) -> Result<()> {
        let profile = format!("--user-data-dir={}", home.join("profile").display());
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--mute-audio",
            "--autoplay-policy=no-user-gesture-required",
            &profile,
        ];
        let args: Vec<_> = args.iter().chain(more).collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": args},
            "timeouts": {"script": 110_000, "pageLoad": 60_000},
        }}});
        let answer = self.http.json("POST", "/session", &wanted)?;
        self.session = answer["value"]["sessionId"].as_str().ok_or("no session")?.to_owned();
        Ok(())
    }

    fn call(&mut self, method: &str, what: &str, body: &Value) -> Result<Value> {
        let target = format!("/session/{}/{what}", self.session);
        Ok(self.http.json(method, &target, body)?["value"].take())
    }

    /// Loads a page in the current tab.
    pub(crate) fn go(&mut self, url: &str) -> Result<()> {
        self.call("POST", "url", &json!({"url": url})).map(drop)
    }

    /// Makes a new tab the current one.
    pub(crate) fn new_tab(&mut self) -> Result<String> {
        let tab = self.call("POST", "window/new", &json!({"type": "tab"}))?;
        let handle = tab["handle"].as_str().ok_or("no handle")?.to_owned();
        self.switch(&handle)?;
        Ok(handle)
    }

    /// Makes a tab the current one.
    pub(crate) fn switch(&mut self, handle: &str) -> Result<()> {
        self.call("POST", "window", &json!({"handle": handle})).map(drop)
    }

    /// Runs the body of an `async` function with these arguments as `args`, and waits for what it returns.
    pub(crate) fn run(&mut self, script: &str, args: Value) -> Result<Value> {
        let script = format!(
            "const done = arguments[1], args = arguments[0];
             (async () => {{ {script} }})().then(done, error => done({{ failed: String(error) }}));"
        );
        let value = self.call("POST", "execute/async", &json!({"script": script, "args": [args]}))?;
        match value["failed"].as_str() {
            Some(failed) => Err(failed.into()),
            None => Ok(value),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; should that fail, its driver's end does.
        let _ = self.http.json("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

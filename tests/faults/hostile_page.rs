//! A hostile page in a real Chromium, from another local origin and from a name that was rebound to loopback: nothing that
//! it can try succeeds, and nothing tells it which endpoints there are. `HOSTILE_PAGE=1` aims at more endpoints, `SHOW=1`
//! shows each outcome.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::rebound::{self, PAGE};
use crate::support::daemon::{Daemon, Home};
use crate::support::http::Request;
use crate::volume::has;
use crate::webdriver::Browser;

/// A name that a hostile site owns.
const NAME: &str = "rebound.example";
/// Endpoints and files that are there, and how they would be used.
const THERE: &[&str] = &[
    "/roots",
    "/stats",
    "/files/1",
    "/files/1/write?offset=0",
    "/read/main",
    "/write/main",
    "/ops/delete",
    "/files/open",
    "/hash/sha1/precious?root_token=main",
    "/control/shutdown",
    "/api/read-rpc-info-from-disk",
    "/stream/1",
    "/io",
];
/// What is not.
const NOT_THERE: &[&str] = &["/nothing", "/files/2/read", "/stream/77/a.mp4", "/i"];
/// The one endpoint that answers whoever comes by the right name from nowhere in particular.
const HEALTH: &str = "/health";

type Outcomes = BTreeMap<String, String>;

/// Loads the page at an origin and lets it try everything.
fn attack(browser: &mut Browser, origin: &str, aims: &Value) -> Outcomes {
    browser.go(&format!("{origin}{PAGE}")).expect("the page");
    let outcome = browser.run(include_str!("hostile_page.js"), aims.clone());
    serde_json::from_value(outcome.expect("outcomes")).expect("texts")
}

/// What is aimed at: a part of it, unless `HOSTILE_PAGE` is set.
fn aims(daemon: &Daemon) -> Value {
    let base = |host: &str, port: u16| format!("http://{host}:{port}");
    let mut bases: Vec<_> =
        ["127.0.0.1", "localhost", NAME].iter().map(|host| base(host, daemon.port)).collect();
    let mut slow_bases = bases.clone();
    let mut slow_paths = vec!["/io", NOT_THERE[0], HEALTH];
    bases.push(base("127.0.0.1", daemon.stream_port));
    let is_all = std::env::var_os("HOSTILE_PAGE").is_some();
    if is_all {
        bases.extend(["localhost", NAME].map(|host| base(host, daemon.stream_port)));
        slow_paths.extend(["/ops/delete", "/stream/1", "/control/shutdown"]);
    } else {
        slow_bases.remove(1);
    }
    let every = if is_all { 1 } else { 3 };
    let (there, not_there) = (THERE.iter().step_by(every), NOT_THERE.iter().step_by(every));
    let paths: Vec<_> = there.chain(not_there).chain([&HEALTH]).collect();
    json!({"bases": bases, "paths": paths, "slowBases": slow_bases, "slowPaths": slow_paths})
}

/// A page that may call sees that it succeeds, by the same script.
fn check_success_would_show(browser: &mut Browser, origin: &str, base: &str) {
    let aims = json!({"bases": [base], "paths": [HEALTH], "slowBases": [base], "slowPaths": ["/io"]});
    let outcomes = attack(browser, origin, &aims);
    let outcome = |way: &str, path: &str| outcomes[&format!("{way}|{base}|{path}")].clone();
    assert_eq!(
        (outcome("fetch", HEALTH).as_str(), outcome("WebSocket", "/io").as_str()),
        ("read 200 ok", "open")
    );
}

/// Nothing was read or opened but, by its own name, the refusal of that name.
fn check_nothing_succeeds(outcomes: &Outcomes, own: &str) {
    for (what, outcome) in outcomes {
        let is_own = what.split('|').nth(1) == Some(own);
        // To HEAD it has no body.
        let is_refusal = outcome.contains("host_forbidden") || outcome == "read 421 ";
        let got = outcome.contains("read") || outcome.starts_with("open");
        assert!(!got || is_own && is_refusal, "{what}: {outcome}");
    }
}

/// By each way and base, all paths look the same.
fn check_nothing_is_told_apart(outcomes: &Outcomes) {
    let unknown = NOT_THERE[0];
    for (what, outcome) in outcomes {
        let mut parts = what.split('|');
        let (way, base) = (parts.next().expect("a way"), parts.next().expect("a base"));
        if !what.ends_with(HEALTH) {
            assert_eq!(*outcome, outcomes[&format!("{way}|{base}|{unknown}")], "{what} and {unknown} differ");
        }
    }
}

#[test]
fn a_hostile_page_achieves_and_learns_nothing() {
    if !has("chromium") || !has("chromedriver") {
        return;
    }
    let (elsewhere, friend) = (rebound::serve(0), format!("http://127.0.0.1:{}", rebound::serve(0)));
    let daemon = Daemon::start(&["--allow-origin", &friend]);
    fs::write(daemon.home.root().join("precious"), "precious").expect("a file");
    let open = json!({"root": "main", "path": "precious", "write": true});
    let open = Request::post("/files/open").token(&daemon.token).session("s").json(&open);
    assert_eq!(daemon.http().call(open).expect(200).json()["fileId"], 1);
    let relay = rebound::serve(daemon.port);
    let rules =
        format!("--host-resolver-rules=MAP {NAME}:{} 127.0.0.1:{relay}, MAP {NAME} 127.0.0.1", daemon.port);
    let folder = Home::new();
    let mut browser = Browser::start(&folder.path(""), &[&rules]).expect("a browser");
    check_success_would_show(&mut browser, &friend, &format!("http://127.0.0.1:{}", daemon.port));
    let own = format!("http://{NAME}:{}", daemon.port);
    let mut attempts = 0;
    for origin in [format!("http://127.0.0.1:{elsewhere}"), own.clone()] {
        let outcomes = attack(&mut browser, &origin, &aims(&daemon));
        attempts += outcomes.len();
        if std::env::var_os("SHOW").is_some() {
            outcomes.iter().for_each(|(what, outcome)| println!("{origin}: {what}: {outcome}"));
        }
        check_nothing_succeeds(&outcomes, &own);
        check_nothing_is_told_apart(&outcomes);
    }
    let stats = daemon.http().call(Request::get("/stats").token(&daemon.token)).expect(200).json();
    assert_eq!(
        (&stats["files"]["bytes_written"], &stats["files"]["open"]),
        (&json!(0), &json!(1)),
        "{stats}"
    );
    let names: Vec<_> = fs::read_dir(daemon.home.root()).expect("the root").flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(fs::read(daemon.home.root().join("precious")).expect("the file"), b"precious");
    println!(
        "{attempts} attempts of a hostile page in Chromium: none succeeded, none told two endpoints apart"
    );
}

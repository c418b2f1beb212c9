//! `/roots`, `/network/interfaces`, `/stats`, `/control/ping`, `/health`.

use crate::harness::{Bench, INSTALL_ID};
use jstorrent_io_daemon::limits::Limits;
use serde_json::{Value, json};

#[test]
fn roots_are_told_with_their_space() {
    let mut bench = Bench::new();
    std::fs::create_dir(bench.dir.path().join("b")).unwrap();
    bench.set_roots(&["main", "b", "gone"]);
    let roots = bench.get("/roots").ok().json();
    let roots = roots.as_array().unwrap();
    let keys: Vec<_> = roots.iter().map(|root| root["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["main", "b", "gone"]);
    assert_eq!((&roots[0]["displayName"], &roots[0]["removable"]), (&json!("MAIN"), &json!(false)));
    assert_eq!(roots[0]["writable"], true);
    let (free, total) = (roots[0]["freeBytes"].as_u64().unwrap(), roots[0]["totalBytes"].as_u64().unwrap());
    assert!(0 < free && free <= total);
    assert_eq!((&roots[2]["writable"], &roots[2]["freeBytes"]), (&json!(false), &Value::Null));
    assert!(roots.iter().all(|root| root.get("path").is_none()), "no paths");
    bench.assert_at_rest();
}

#[test]
fn no_roots_are_an_empty_array() {
    let mut bench = Bench::new();
    bench.set_roots(&[]);
    assert_eq!(bench.get("/roots").ok().json(), json!([]));
}

#[test]
fn a_root_whose_disk_hangs_holds_up_the_answer_for_a_while_only() {
    let mut bench = Bench::new();
    bench.hold("RootSpace");
    let ids: Vec<_> = (0..3).map(|_| bench.connect()).collect();
    let bytes = bench.request("GET", "/roots").bytes();
    for id in &ids {
        bench.send(*id, &bytes);
    }
    assert_eq!(bench.held(), 1, "one measurement of a root at a time");
    bench.wait_ms(1_900);
    assert!(bench.response(ids[0], false).is_none());
    bench.wait_ms(200);
    for id in &ids {
        let roots = bench.response(*id, false).expect("an answer without numbers").ok().json();
        assert_eq!((&roots[0]["freeBytes"], &roots[0]["writable"]), (&Value::Null, &json!(false)));
    }
    // The connections are in order, and the measurement that comes late disturbs nobody.
    bench.send(ids[0], &bench.request("POST", "/control/ping").bytes());
    bench.let_go();
    assert_eq!(bench.response(ids[0], false).unwrap().ok().text(), "pong");
    bench.send(ids[0], &bytes);
    assert!(bench.response(ids[0], false).unwrap().ok().json()[0]["freeBytes"].is_u64());
    bench.assert_at_rest();
}

#[test]
fn a_client_that_goes_away_leaves_no_one_waiting() {
    let mut bench = Bench::new();
    bench.hold("RootSpace");
    let id = bench.connect();
    bench.send(id, &bench.request("GET", "/roots").bytes());
    bench.reset(id);
    let stale = bench.engine.state.metrics.stale;
    bench.let_go();
    assert_eq!(bench.engine.state.metrics.stale, stale, "nobody is told");
    bench.assert_at_rest();
}

#[test]
fn interfaces_are_told() {
    let mut bench = Bench::new();
    let expected = json!([{"name": "lo", "address": "127.0.0.1", "prefixLength": 8}]);
    assert_eq!(bench.get("/network/interfaces").ok().json(), expected);
}

#[test]
fn stats_have_the_shipping_daemons_names_and_our_own() {
    let mut bench = Bench::new();
    bench.write("f", vec![1; 100]);
    let request = bench.request("GET", "/read/main").path("f");
    bench.call(request).ok();
    let request = bench.request("POST", "/write/main").path("g").body(vec![1; 70]);
    bench.call(request).ok();
    bench.get("/hash/sha1/f?root_token=main").ok();
    bench.open("f", false);
    bench.wait_ms(5_000);
    let stats = bench.get("/stats").ok().json();
    for name in [
        "tcp_sockets",
        "pending_connects",
        "pending_tcp",
        "udp_sockets",
        "tcp_servers",
        "ws_connections",
        "bytes_sent",
        "bytes_received",
        "udp_dropped",
        "messages_dropped",
    ] {
        assert_eq!(stats[name], 0, "{name}");
    }
    assert_eq!(stats["uptime_secs"], 5);
    let files = json!({
        "open": 1, "descriptors": 1, "descriptors_reopened": 0, "bytes_read": 100, "bytes_written": 70,
        "bytes_hashed": 100, "writes_in_flight": 0,
    });
    assert_eq!(stats["files"], files);
    let http = &stats["http"];
    assert_eq!((&http["requests"], &http["in_flight"], &http["sessions"]), (&json!(5), &json!(1), &json!(1)));
    assert_eq!((&http["connections"], &stats["memory"]["buffers_bytes"]), (&json!(1), &json!(0)));
    assert!(stats["workers"]["disk"]["jobs"].is_u64());
}

#[test]
fn many_who_ask_for_stats_are_all_answered() {
    let mut bench = Bench::with(Limits::default(), |settings| settings.install_id = Some(INSTALL_ID.into()));
    let ids: Vec<_> = (0..5).map(|_| bench.connect()).collect();
    let bytes = bench.request("GET", "/stats").bytes();
    for id in &ids {
        bench.send(*id, &bytes);
        bench.send(*id, &bytes);
    }
    for id in ids {
        bench.response(id, false).unwrap().ok();
        bench.response(id, false).unwrap().ok();
    }
}

//! Every row of the table of endpoints is served.

use crate::harness::{Bench, STREAM_PORT};
use jstorrent_io_proto::request::Method;
use jstorrent_io_proto::route::{BodyRule, PortKind, ROUTES, Route};

fn target(route: &Route) -> String {
    route.pattern.replace("{id}", "7").replace("{key}", "main").replace("{rest}", "f")
}

fn name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Patch => "PATCH",
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_endpoint_answers_something_of_its_own() {
    for route in ROUTES {
        for &method in route.methods {
            let mut bench = Bench::new();
            let mut request = bench.request(name(method), &target(route)).session("s");
            if route.body != BodyRule::None {
                request = request.body("{}");
            }
            let response = bench.call(request);
            let text = String::from_utf8_lossy(&response.body);
            let shown = format!("{} {}: {text}", name(method), route.pattern);
            assert!(response.status != 501 && response.status != 405, "{shown}");
            assert!(!text.contains("no_such_endpoint"), "{shown}");
            assert!(!text.contains("\"internal\""), "{shown}");
        }
    }
}

#[test]
fn no_endpoint_is_told_to_those_without_the_token() {
    let mut bench = Bench::new();
    for route in ROUTES.iter().filter(|route| !matches!(route.pattern, "/health" | "/io")) {
        for &method in route.methods {
            let request = crate::harness::Request::new(name(method), &target(route));
            let response = bench.call(request);
            assert_eq!(response.status, 401, "{} {}", name(method), route.pattern);
        }
    }
    bench.assert_at_rest();
}

#[test]
fn the_stream_port_serves_streams_alone() {
    let mut bench = Bench::new();
    for route in ROUTES {
        let id = bench.connect_to(PortKind::Stream);
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: 127.0.0.1:{STREAM_PORT}\r\nX-JST-Auth: {}\r\nX-JST-Session: s\r\n\r\n",
            name(route.methods[0]),
            target(route),
            bench.token()
        );
        bench.send(id, head.as_bytes());
        let response = bench.response(id, false).unwrap();
        let code = if route.pattern.starts_with("/stream/") { "no_such_file" } else { "no_such_endpoint" };
        response.refused(404, code);
    }
}

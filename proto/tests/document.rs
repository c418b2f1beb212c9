//! Holds PROTOCOL.md to the tables that the code walks: no endpoint, op or code is missing or misnamed.

use jstorrent_io_proto::error::Code;
use jstorrent_io_proto::op;
use jstorrent_io_proto::request::Method;
use jstorrent_io_proto::route::{ROUTES, SessionRule};

const DOCUMENT: &str = include_str!("../PROTOCOL.md");

fn name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Patch => "PATCH",
        _ => "?",
    }
}

#[test]
fn every_endpoint_has_its_row() {
    for route in ROUTES {
        let request = format!("`{} {}`", name(route.methods[0]), route.pattern);
        let row = DOCUMENT.lines().find(|line| line.starts_with('|') && line.contains(&request));
        let row = row.unwrap_or_else(|| panic!("{request} is missing"));
        let wants_session = route.session == SessionRule::Required;
        assert_eq!(row.contains("| S |"), wants_session, "{request}");
    }
}

#[test]
fn every_op_has_its_row() {
    for row in op::ROWS {
        let wanted = format!("| {:02X} | {}", row.op.code(), row.name);
        let found = DOCUMENT.lines().any(|line| line.to_uppercase().starts_with(&wanted.to_uppercase()));
        assert!(found, "{wanted} is missing");
    }
}

#[test]
fn every_code_has_its_row() {
    for code in Code::all() {
        let row = format!("| {} | `{}` | {} |", code.status(), code.as_str(), code.sentence());
        assert!(DOCUMENT.contains(&row), "{row}");
    }
}

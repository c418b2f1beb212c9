//! Conditional requests (RFC 9110 §13), evaluated in the order of §13.2.2.
//!
//! Compares what the client sent with the validators that it is lent; knows no file.

use crate::http_date;
use crate::request::{Head, Method};

/// What identifies the representation that would be sent.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// Its strong entity tag, quotes included.
    pub etag: &'a str,
    /// Its `Last-Modified`, in seconds since 1970.
    pub last_modified_s: i64,
}

/// What the conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answer as if there were no conditions.
    Proceed {
        /// Whether `Range` counts (`If-Range` holds, or is not there).
        range_counts: bool,
    },
    /// Answer 304.
    NotModified,
    /// Answer 412 `precondition_failed`.
    Failed,
}

/// Evaluates all conditions of a request. Dates that can't be read are no conditions (§13.1.3, §13.1.4).
pub fn evaluate(head: &Head<'_>, validators: &Validators<'_>) -> Verdict {
    let reads = matches!(head.method, Method::Get | Method::Head);
    let date = |name: &str| only_text(head, name).and_then(http_date::parse);
    let may_go_on = match head.list("if-match") {
        Some(tags) => matches_any(&tags, validators.etag, Comparison::Strong),
        None => date("if-unmodified-since").is_none_or(|limit_s| validators.last_modified_s <= limit_s),
    };
    if !may_go_on {
        return Verdict::Failed;
    }
    let is_known = match head.list("if-none-match") {
        Some(tags) => matches_any(&tags, validators.etag, Comparison::Weak),
        None => reads && date("if-modified-since").is_some_and(|seen_s| validators.last_modified_s <= seen_s),
    };
    match (is_known, reads) {
        (true, true) => Verdict::NotModified,
        (true, false) => Verdict::Failed,
        (false, _) => Verdict::Proceed { range_counts: if_range_holds(head, validators) },
    }
}

/// `If-Range`: this very strong tag, or this very date (§13.1.5).
fn if_range_holds(head: &Head<'_>, validators: &Validators<'_>) -> bool {
    if head.field("if-range").is_none() {
        return true;
    }
    only_text(head, "if-range").is_some_and(|value| {
        value == validators.etag || http_date::parse(value) == Some(validators.last_modified_s)
    })
}

/// The value of a field that is no list; a repeated one is as good as none.
fn only_text<'a>(head: &Head<'a>, name: &str) -> Option<&'a str> {
    head.single(name).ok().flatten()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether a list of entity tags has `etag`, which is strong, in it; `*` has all (§8.8.3.2). A malformed list
/// has what came before the fault.
fn matches_any(list: &str, etag: &str, comparison: Comparison) -> bool {
    if list.trim_matches([' ', '\t']) == "*" {
        return true;
    }
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (is_weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let Some(end) = quoted.strip_prefix('"').and_then(|inner| inner.find('"')) else { return false };
        let (tag, after) = quoted.split_at(end + 2);
        if tag == etag && (!is_weak || comparison == Comparison::Weak) {
            return true;
        }
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.starts_with(',') {
            return false;
        }
    }
}

//! `GET /network/interfaces`: this machine's IPv4 addresses.

use super::answer::Answer;
use super::await_job::{Await, Then};
use super::{Cx, Task};
use crate::job::{Ask, Interface, Lane};
use jstorrent_io_proto::error::{Code, Refusal};
use serde::Serialize;
use std::net::Ipv4Addr;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InterfaceAnswer<'a> {
    name: &'a str,
    address: Ipv4Addr,
    prefix_length: u8,
}

/// Begins `GET /network/interfaces`.
pub fn begin(cx: &mut Cx<'_>) -> Task {
    cx.state.submit(cx.me, Lane::Local, None, Ask::ListInterfaces);
    Task::Await(Await::new(Then::Interfaces))
}

pub(super) fn answer(result: Result<Vec<Interface>, String>) -> Answer {
    match result {
        Err(reason) => Answer::Refused(Refusal::because(Code::IoError, reason)),
        Ok(all) => {
            let all: Vec<InterfaceAnswer<'_>> = all
                .iter()
                .map(|it| InterfaceAnswer {
                    name: &it.name,
                    address: it.address,
                    prefix_length: it.prefix_length,
                })
                .collect();
            Answer::json(&all)
        }
    }
}

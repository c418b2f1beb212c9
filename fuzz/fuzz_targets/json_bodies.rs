//! See `jstorrent_io_fuzz::json_bodies`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| jstorrent_io_fuzz::json_bodies(data));

//! See `jstorrent_io_fuzz::engine_io`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| jstorrent_io_fuzz::engine_io(data));

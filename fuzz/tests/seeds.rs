//! Every seed through its target, without a fuzzer: `cargo test` in this folder, with any compiler.

use jstorrent_io_fuzz::TARGETS;
use std::fs;
use std::path::Path;

#[test]
fn every_target_has_seeds_and_passes_them() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
        let mut count = 0;
        for seed in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            target(&fs::read(seed.expect("a seed").path()).expect("a file"));
            count += 1;
        }
        assert!(count > 5, "{name} has {count} seeds");
    }
}

#[test]
fn every_target_has_its_program() {
    for (name, _) in TARGETS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets").join(format!("{name}.rs"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(text.contains(&format!("jstorrent_io_fuzz::{name}(data)")));
    }
    let programs =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets")).expect("a folder");
    assert_eq!(programs.count(), TARGETS.len());
}

//! The documents say what the code does: they are read beside the tables that the code walks.

use jstorrent_io_daemon::config;

#[test]
fn the_readme_lists_every_option() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for name in config::option_names() {
        assert!(readme.contains(&format!("`--{name}")), "--{name} is missing");
    }
    let listed = readme.split("`--").skip(1).map(|rest| rest.split([' ', '`']).next().unwrap_or_default());
    for name in listed {
        assert!(config::option_names().any(|known| known == name), "--{name} is not an option");
    }
}

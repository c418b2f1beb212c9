//! Links of every kind, wherever they lead: nothing outside the root is read, changed, made or removed.
#![cfg(unix)]

use super::*;
use std::os::unix::fs::symlink;

/// What each way to name something says of `name`, where nothing may come of it.
fn refused(t: &Fixture, name: &str) -> Vec<DiskError> {
    let path = rel(name);
    vec![
        t.open(name, READ).unwrap_err(),
        t.open(name, WRITE).unwrap_err(),
        t.open(name, MAKE).unwrap_err(),
        t.open(name, OpenHow { write: false, create: true }).unwrap_err(),
        t.disk.path_stat(&t.root, &path).unwrap_err(),
        t.disk.path_list(&t.root, &path, 1000).unwrap_err(),
        t.disk.path_truncate(&t.root, &path, 0).unwrap_err(),
        t.disk.make_folder(&t.root, &path).unwrap_err(),
    ]
}

#[test]
fn links_that_lead_out_are_refused() {
    let t = Fixture::new();
    let outside = t.dir.path().to_path_buf();
    std::fs::create_dir_all(t.at("deep/er")).unwrap();
    symlink(outside.join("secret"), t.at("absolute")).unwrap();
    symlink("../secret", t.at("relative")).unwrap();
    symlink("../../../secret", t.at("deep/er/relative")).unwrap();
    symlink("..", t.at("parent")).unwrap();
    symlink("/", t.at("slash")).unwrap();
    symlink("relative", t.at("chain 2")).unwrap();
    symlink("deep/../chain 2", t.at("chain 1")).unwrap();
    symlink("../new", t.at("dangling")).unwrap();
    symlink("/proc/self/root", t.at("magic")).unwrap();
    // Even one that comes back: what is out of the root on the way is out.
    symlink("../root/deep", t.at("back again")).unwrap();
    for name in [
        "absolute",
        "relative",
        "deep/er/relative",
        "parent",
        "parent/secret",
        "parent/new",
        "slash",
        "slash/tmp/new",
        "chain 1",
        "chain 2",
        "dangling",
        "dangling/new",
        "magic",
        "magic/tmp",
        "back again",
        "back again/new",
    ] {
        for error in refused(&t, name) {
            assert_eq!(error, DiskError::EscapesRoot, "{name}");
        }
    }
    for name in ["parent/secret", "slash/tmp", "back again/er"] {
        assert_eq!(t.disk.path_delete(&t.root, &rel(name)), Err(DiskError::EscapesRoot), "{name}");
    }
    t.secret_is_untouched();
    assert_eq!(std::fs::read_dir(outside).unwrap().count(), 2);
}

#[test]
fn links_that_stay_inside_are_followed() {
    let t = Fixture::new();
    t.make("deep/er/file", b"inside");
    symlink("deep/er", t.at("folder")).unwrap();
    symlink("../../deep/er/file", t.at("deep/er/roundabout")).unwrap();
    symlink("folder/roundabout", t.at("chain")).unwrap();
    for name in ["folder/file", "chain", "folder/roundabout"] {
        let file = t.open(name, WRITE).unwrap().file;
        assert_eq!(t.read(&file, 0, 100), Ok((b"inside".to_vec(), 6)), "{name}");
    }
    assert_eq!(t.disk.path_list(&t.root, &rel("folder"), 1000).unwrap(), ["file", "roundabout"]);
    assert!(t.open("folder/new/file", MAKE).unwrap().created);
    assert!(t.at("deep/er/new/file").is_file());
    assert_eq!(t.disk.make_folder(&t.root, &rel("folder")), Ok(()));
    assert_eq!(t.disk.make_folder(&t.root, &rel("folder/x/y")), Ok(()));
    assert!(t.at("deep/er/x/y").is_dir());
}

/// However the root's own path is spelt: by the configuration, or by the system.
#[test]
fn absolute_links_that_stay_inside_are_followed() {
    let t = Fixture::new();
    t.make("deep/er/file", b"inside");
    symlink(t.at("deep"), t.at("folder")).unwrap();
    symlink(t.at("folder/er/../er/file"), t.at("file")).unwrap();
    symlink("../file", t.at("deep/chain")).unwrap();
    symlink(t.at(""), t.at("root")).unwrap();
    let alias = t.dir.path().join("alias");
    symlink(&t.root.path, &alias).unwrap();
    let by_alias = root_at(alias.clone());
    symlink(alias.join("deep/er"), t.at("by alias")).unwrap();
    for name in ["folder/er/file", "file", "deep/chain", "folder/chain", "root/folder/chain"] {
        for root in [&t.root, &by_alias] {
            let file = t.disk.open(root, &rel(name), WRITE).unwrap().file;
            assert_eq!(t.read(&file, 0, 100), Ok((b"inside".to_vec(), 6)), "{name}");
        }
    }
    assert!(t.disk.open(&by_alias, &rel("by alias/file"), READ).is_ok());
    assert_eq!(t.open("by alias/file", READ).unwrap_err(), DiskError::EscapesRoot);
    assert_eq!(t.open("root", READ).unwrap_err(), DiskError::IsDirectory);
    assert_eq!(t.disk.path_list(&t.root, &rel("folder"), 1000).unwrap(), ["chain", "er"]);
    assert!(t.disk.path_stat(&t.root, &rel("folder")).unwrap().is_directory);
    assert!(t.open("folder/new/file", MAKE).unwrap().created);
    assert!(t.at("deep/new/file").is_file());
    assert_eq!(t.disk.make_folder(&t.root, &rel("folder/x/y")), Ok(()));
    assert_eq!(t.disk.path_delete(&t.root, &rel("folder/chain")), Ok(()));
    assert!(t.at("file").exists(), "the link itself was removed");
    assert_eq!(t.disk.path_delete(&t.root, &rel("folder")), Ok(()));
    assert!(t.at("deep/er/file").exists());
}

#[test]
fn absolute_links_that_lead_out_or_round_are_refused() {
    let t = Fixture::new();
    let beside = t.dir.path().join("root but not quite");
    std::fs::create_dir(&beside).unwrap();
    symlink(&beside, t.at("beside")).unwrap();
    symlink(t.at("../secret"), t.at("up")).unwrap();
    symlink(t.at("up"), t.at("to up")).unwrap();
    symlink(t.at("../root"), t.at("up and back")).unwrap();
    for name in ["beside", "beside/new", "up", "to up", "up and back/new"] {
        for error in refused(&t, name) {
            assert_eq!(error, DiskError::EscapesRoot, "{name}");
        }
    }
    symlink(t.at("b"), t.at("a")).unwrap();
    symlink(t.at("a"), t.at("b")).unwrap();
    for name in ["a", "b/x"] {
        for error in refused(&t, name) {
            assert_eq!(error, DiskError::LinkLoop, "{name}");
        }
    }
    t.secret_is_untouched();
    assert_eq!(std::fs::read_dir(beside).unwrap().count(), 0);
}

#[test]
fn a_link_to_what_is_not_there_yet_is_filled_in() {
    let t = Fixture::new();
    std::fs::create_dir(t.at("deep")).unwrap();
    symlink("deep/2", t.at("1")).unwrap();
    symlink("../3", t.at("deep/2")).unwrap();
    assert_eq!(t.open("1", WRITE).unwrap_err(), DiskError::NotFound);
    assert!(t.open("1", MAKE).unwrap().created);
    assert!(t.at("3").is_file());
    assert!(!t.open("1", MAKE).unwrap().created);
    // A folder that is not there either is not made up for a link.
    symlink("nowhere/file", t.at("4")).unwrap();
    assert_eq!(t.open("4", MAKE).unwrap_err(), DiskError::NotFound);
    assert_eq!(t.disk.make_folder(&t.root, &rel("4")), Err(DiskError::NotFound));
    assert_eq!(t.open("4/file", MAKE).unwrap_err(), DiskError::NotFound);
}

#[test]
fn links_in_a_circle_are_refused() {
    let t = Fixture::new();
    symlink("self", t.at("self")).unwrap();
    symlink("b", t.at("a")).unwrap();
    symlink("a", t.at("b")).unwrap();
    for name in ["self", "a", "b", "self/x"] {
        for error in refused(&t, name) {
            assert_eq!(error, DiskError::LinkLoop, "{name}");
        }
    }
    for name in ["self", "a", "b"] {
        assert_eq!(t.disk.path_delete(&t.root, &rel(name)), Ok(()), "{name}");
    }
    assert_eq!(t.disk.path_list(&t.root, &rel(""), 1000).unwrap(), [""; 0]);
}

#[test]
fn deleting_removes_links_and_not_what_they_lead_to() {
    let t = Fixture::new();
    let outside = t.dir.path().to_path_buf();
    std::fs::create_dir_all(outside.join("other/sub")).unwrap();
    std::fs::write(outside.join("other/sub/file"), b"keep").unwrap();
    t.make("inside", b"keep");
    std::fs::create_dir_all(t.at("d/e")).unwrap();
    for (n, target) in ["../..", "../../other", "/", "nowhere", "../inside"].into_iter().enumerate() {
        symlink(target, t.at("d").join(n.to_string())).unwrap();
        symlink(target, t.at("d/e").join(n.to_string())).unwrap();
    }
    symlink("../other", t.at("alone")).unwrap();
    assert_eq!(t.disk.path_delete(&t.root, &rel("alone")), Ok(()));
    assert_eq!(t.disk.path_delete(&t.root, &rel("d/1")), Ok(()));
    assert_eq!(t.disk.path_delete(&t.root, &rel("d")), Ok(()));
    assert_eq!(t.disk.path_list(&t.root, &rel(""), 1000).unwrap(), ["inside"]);
    assert_eq!(std::fs::read(outside.join("other/sub/file")).unwrap(), b"keep");
    t.secret_is_untouched();
}

#[test]
fn a_folder_to_be_emptied_is_no_link() {
    use crate::platform::files::open_folder_itself;
    let t = Fixture::new();
    std::fs::create_dir(t.at("folder")).unwrap();
    symlink("folder", t.at("link")).unwrap();
    let root = confined::root_folder(&t.root).unwrap();
    assert!(open_folder_itself(&root, "folder".as_ref()).is_ok());
    assert!(open_folder_itself(&root, "link".as_ref()).is_err());
}

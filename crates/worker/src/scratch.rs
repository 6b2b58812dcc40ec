//! Removes the folder of an attempt, whatever its program made of it.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Removes a folder and everything in it. Nothing may run any more that could change it.
pub(crate) fn remove(folder: &Path) {
    let stays = match fs::remove_dir_all(folder) {
        Ok(()) => return,
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        // Folders closed to their owner, or nested more deeply than descriptors or the stack allow.
        Err(_) => flatten(folder).and_then(|()| fs::remove_dir(folder)),
    };
    if let Err(error) = stays {
        tracing::warn!(folder = %folder.display(), %error, "the folder of an attempt cannot be removed");
    }
}

/// Empties a folder without ever standing deeper than two levels below it: what folders contain is moved up.
fn flatten(top: &Path) -> io::Result<()> {
    let mut folders = Vec::new();
    let mut moved = 0_u64;
    empty(top, &mut |folder| {
        folders.push(folder);
        Ok(())
    })?;
    while let Some(folder) = folders.pop() {
        empty(&folder, &mut |inner| {
            // A folder that cannot be written cannot be moved: its `..` changes.
            open_up(&inner)?;
            let place = loop {
                moved += 1;
                let place = top.join(format!(".{moved}"));
                if fs::symlink_metadata(&place).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                    break place;
                }
            };
            fs::rename(inner, &place)?;
            folders.push(place);
            Ok(())
        })?;
        fs::remove_dir(&folder)?;
    }
    Ok(())
}

/// Removes the files of a folder and hands its folders over.
fn empty(folder: &Path, inner: &mut dyn FnMut(PathBuf) -> io::Result<()>) -> io::Result<()> {
    open_up(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { inner(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_folders_files_and_links_are_removed_and_what_links_lead_to_is_not() {
        let outside = tempfile::tempdir().expect("a folder");
        fs::write(outside.path().join("precious"), "x").expect("writable");
        let top = tempfile::tempdir().expect("a folder").keep();
        for name in ["a/b/c", "a/.1", ".1/d", "e"] {
            fs::create_dir_all(top.join(name)).expect("writable");
            fs::write(top.join(name).join("file"), "x").expect("writable");
            std::os::unix::fs::symlink(outside.path(), top.join(name).join("link")).expect("writable");
        }
        for name in ["a/b/c", "a/b", ".1", "e"] {
            fs::set_permissions(top.join(name), Permissions::from_mode(0o000)).expect("mine");
        }
        flatten(&top).expect("it can be emptied");
        assert_eq!(fs::read_dir(&top).expect("it is still there").count(), 0);
        remove(&top);
        assert!(!top.exists());
        assert!(outside.path().join("precious").exists());
    }

    #[test]
    fn a_folder_deeper_than_any_path_is_removed() {
        use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
        let top = tempfile::tempdir().expect("a folder").keep();
        let open = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder = openat(CWD, &top, open, Mode::empty()).expect("it was just made");
        for _ in 0..1_000 {
            mkdirat(&folder, "a-long-name", Mode::RWXU).expect("writable");
            folder = openat(&folder, "a-long-name", open, Mode::empty()).expect("it was just made");
        }
        flatten(&top).expect("it can be emptied");
        remove(&top);
        assert!(!top.exists());
    }
}

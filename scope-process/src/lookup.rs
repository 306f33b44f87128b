//! Finding the program, before it is started.
//!
//! The system would search `PATH` itself. But it tells a missing program, a missing interpreter and a missing working
//! directory apart by nothing, and std gives up its fast way of starting a process (`posix_spawn`) for a name that has
//! to be searched for in a changed environment.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};

use crate::ProcessName;
use crate::error::{Kind, SpawnError};

/// The path by which to start `program`: as it would be looked up from within `cwd`, and to be used there.
pub(crate) fn find(
    name: &ProcessName,
    program: &OsStr,
    cwd: Option<&Path>,
    path: Option<&OsStr>,
) -> Result<PathBuf, SpawnError> {
    if let Some(cwd) = cwd {
        check_cwd(name, cwd)?;
    }
    if program.is_empty() {
        return Err(SpawnError::new(name, Kind::InvalidInput, "no program is named: its name is empty", None));
    }
    if program.as_bytes().contains(&0) {
        return Err(SpawnError::new(name, Kind::InvalidInput, "the program's name has a NUL byte in it", None));
    }
    let from_here = |path: &Path| cwd.map_or_else(|| path.to_owned(), |cwd| cwd.join(path));
    if program.as_bytes().contains(&b'/') {
        let path = PathBuf::from(program);
        return match classify(&from_here(&path)) {
            Found::Program => Ok(path),
            other => Err(other.into_error(name, &from_here(&path))),
        };
    }

    let mut second_best = None;
    let mut searched = 0;
    for folder in path.map(OsStr::as_bytes).unwrap_or_default().split(|&b| b == b':') {
        // An empty entry is the working directory.
        let folder = if folder.is_empty() { b"." } else { folder };
        let candidate = Path::new(OsStr::from_bytes(folder)).join(program);
        match classify(&from_here(&candidate)) {
            Found::Program => return Ok(candidate),
            Found::Nothing => {}
            other => second_best = second_best.or(Some((other, candidate))),
        }
        searched += 1;
    }
    match second_best {
        Some((found, candidate)) => Err(found.into_error(name, &from_here(&candidate))),
        None => Err(not_in_path(name, program, path.map(|_| searched))),
    }
}

fn check_cwd(name: &ProcessName, cwd: &Path) -> Result<(), SpawnError> {
    let bad = |text: String, source| SpawnError::new(name, Kind::BadCwd, text, source);
    match std::fs::metadata(cwd) {
        Ok(found) if !found.is_dir() => Err(bad(format!("its working directory {cwd:?} is no directory"), None)),
        Ok(_) if may_execute(cwd) => Ok(()),
        Ok(_) => Err(bad(format!("its working directory {cwd:?} may not be entered: look at its permissions"), None)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(bad(format!("its working directory {cwd:?} does not exist: create it, or correct the path"), None))
        }
        Err(e) => Err(bad(format!("its working directory {cwd:?} cannot be used"), Some(e))),
    }
}

enum Found {
    Program,
    Nothing,
    Directory,
    /// A file that may not be run, or something that is not even a file.
    Unusable,
}

fn classify(path: &Path) -> Found {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Found::Directory,
        Ok(found) if found.is_file() && may_execute(path) => Found::Program,
        Ok(_) => Found::Unusable,
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Found::Unusable,
        Err(_) => Found::Nothing,
    }
}

fn may_execute(path: &Path) -> bool {
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

impl Found {
    fn into_error(self, name: &ProcessName, path: &Path) -> SpawnError {
        let (kind, text) = match self {
            Found::Directory => {
                (Kind::IsDirectory, format!("{path:?} is a directory, not a program: name the program in it"))
            }
            Found::Unusable => (
                Kind::NotExecutable,
                format!("{path:?} may not be run: make it executable (`chmod +x`), or run it by its interpreter"),
            ),
            Found::Program | Found::Nothing => {
                (Kind::NotFound, format!("there is no program {path:?}: correct the path"))
            }
        };
        SpawnError::new(name, kind, text, None)
    }
}

fn not_in_path(name: &ProcessName, program: &OsStr, searched: Option<usize>) -> SpawnError {
    let text = match (program.to_string_lossy().split_once(char::is_whitespace), searched) {
        (Some((first, rest)), _) => format!(
            "there is no program {program:?}: if {first:?} is the program, give {rest:?} as its arguments, not as part \
             of its name"
        ),
        (None, Some(searched)) => format!(
            "there is no program {program:?} in the {searched} folders of its PATH: check the spelling, install it, or \
             give its full path"
        ),
        (None, None) => format!("there is no PATH to search for {program:?}: give its full path, or set PATH for it"),
    };
    SpawnError::new(name, Kind::NotFound, text, None)
}

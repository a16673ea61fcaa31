//! A store of conversations in a folder of files.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::session_in_memory::{next_revision, summary};
use crate::__private::{async_trait, blocking};
use crate::session::{Session, SessionError, SessionStore, SessionSummary};

/// The maximum length of an encoded id. File systems allow names of 255 bytes.
const MAX_ID: usize = 200;

/// How often a read is repeated if a writer replaces the file in between.
const MAX_READS: usize = 10;

/// Distinguishes the temporary files of this process.
static NEXT_FILE: AtomicU64 = AtomicU64::new(0);

/// A store of conversations in a folder, one JSON file per conversation. Several processes may use the
/// same folder.
///
/// A session is written to a temporary file, which then becomes the next revision by a hard link:
/// readers see complete sessions only, and of two writers of the same revision, one fails with
/// [`SessionError::Conflict`]. The file system has to support hard links. On Unix, only the owner can
/// read the files. Calls run on tokio's blocking pool.
///
/// ```
/// use std::sync::Arc;
///
/// use chatlas::stores::FileSessionStore;
/// use chatlas::{Chat, Provider, SessionError, SessionStore, ToolSet};
///
/// # async fn example(provider: impl Provider) -> Result<(), SessionError> {
/// let store = Arc::new(FileSessionStore::new("conversations"));
/// let chat = match store.load("ada").await? {
///     Some(session) => Chat::from_session(session, provider, ToolSet::new())?,
///     None => Chat::new(provider).with_conversation_id("ada"),
/// };
/// let chat = chat.with_store(store);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FileSessionStore {
    folder: PathBuf,
}

impl FileSessionStore {
    /// Creates a store in that folder, which the first save creates if it does not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

#[async_trait]
impl SessionStore for FileSessionStore {
    async fn load(&self, id: &str) -> Result<Option<Session>, SessionError> {
        let (folder, name) = (self.folder.clone(), encoded(id)?);
        blocking(move || load(&folder, &name)).await
    }

    async fn save(&self, session: Session) -> Result<u64, SessionError> {
        let id = session.id.clone().ok_or(SessionError::MissingId)?;
        let (folder, name) = (self.folder.clone(), encoded(&id)?);
        blocking(move || save(&folder, &name, &id, session)).await
    }

    async fn list(&self) -> Result<Vec<SessionSummary>, SessionError> {
        let folder = self.folder.clone();
        blocking(move || list(&folder)).await
    }

    async fn delete(&self, id: &str) -> Result<bool, SessionError> {
        let (folder, name) = (self.folder.clone(), encoded(id)?);
        blocking(move || {
            let revisions = revisions(&folder, &name)?;
            // The latest revision last, so that no older one is current in between.
            for revision in &revisions {
                remove(&path(&folder, &name, *revision))?;
            }
            Ok(!revisions.is_empty())
        })
        .await
    }
}

fn load(folder: &Path, name: &str) -> Result<Option<Session>, SessionError> {
    for _ in 0..MAX_READS {
        let Some(revision) = revisions(folder, name)?.pop() else { return Ok(None) };
        match fs::read_to_string(path(folder, name, revision)) {
            Ok(json) => {
                let mut session = Session::from_json(&json)?;
                session.revision = revision;
                return Ok(Some(session));
            }
            // A writer has replaced the file.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(SessionError::from_error(error)),
        }
    }
    let message = "the session changed during each attempt to read it";
    Err(SessionError::from_error(io::Error::new(ErrorKind::Interrupted, message)))
}

fn save(folder: &Path, name: &str, id: &str, mut session: Session) -> Result<u64, SessionError> {
    let existing = revisions(folder, name)?;
    let revision = next_revision(&session, id, existing.last().copied().unwrap_or(0))?;
    let expected = session.revision;
    session.revision = revision;
    let json = session.to_json()?;
    fs::create_dir_all(folder).map_err(SessionError::from_error)?;
    let number = NEXT_FILE.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".new-{}-{number}", std::process::id()));
    let target = path(folder, name, revision);
    let linked = write(&temporary, &json).and_then(|()| fs::hard_link(&temporary, &target));
    remove(&temporary)?;
    let conflict = |found| SessionError::Conflict { id: id.to_owned(), expected, found };
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(conflict(revision)),
        Err(error) => return Err(SessionError::from_error(error)),
    }
    // Another writer may have saved this revision, a later one, and removed this one since the check.
    let latest = revisions(folder, name)?.pop().unwrap_or(0);
    if latest > revision {
        remove(&target)?;
        return Err(conflict(latest));
    }
    for old in existing {
        remove(&path(folder, name, old))?;
    }
    Ok(revision)
}

fn list(folder: &Path) -> Result<Vec<SessionSummary>, SessionError> {
    let names: BTreeMap<String, u64> = files(folder)?.into_iter().collect();
    let mut list = Vec::new();
    for name in names.keys() {
        if let Some(session) = load(folder, name)?
            && let Some(id) = &session.id
        {
            list.push(summary(id, &session));
        }
    }
    list.sort_by_key(|summary| Reverse(summary.updated));
    Ok(list)
}

/// Returns the revisions of a session in the folder, in ascending order. There are several only while
/// a writer replaces one, or after it crashed.
fn revisions(folder: &Path, name: &str) -> Result<Vec<u64>, SessionError> {
    let files = files(folder)?.into_iter();
    let mut revisions: Vec<u64> =
        files.filter(|(found, _)| found == name).map(|(_, revision)| revision).collect();
    revisions.sort_unstable();
    Ok(revisions)
}

/// Returns the encoded ids and the revisions of all files in the folder.
fn files(folder: &Path) -> Result<Vec<(String, u64)>, SessionError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(SessionError::from_error(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(SessionError::from_error)?.file_name();
        files.extend(file.to_str().and_then(parsed));
    }
    Ok(files)
}

/// Splits the name of a file into the encoded id and the revision.
fn parsed(file: &str) -> Option<(String, u64)> {
    let (name, revision) = file.strip_prefix("chat-")?.strip_suffix(".json")?.rsplit_once('.')?;
    Some((name.to_owned(), revision.parse().ok()?))
}

fn path(folder: &Path, name: &str, revision: u64) -> PathBuf {
    folder.join(format!("chat-{name}.{revision}.json"))
}

/// Encodes an id as a part of a file name. Upper-case letters are encoded too, because some file
/// systems ignore case.
fn encoded(id: &str) -> Result<String, SessionError> {
    let mut name = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => drop(write!(name, "%{byte:02x}")),
        }
    }
    let reason = match name.len() {
        0 => "it is empty",
        1..=MAX_ID => return Ok(name),
        _ => "it is too long for a file name",
    };
    Err(SessionError::InvalidId { id: id.to_owned(), reason })
}

fn write(path: &Path, json: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(path)?;
    file.write_all(json.as_bytes())?;
    file.sync_all()
}

/// Removes a file, unless another writer has removed it.
fn remove(path: &Path) -> Result<(), SessionError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(SessionError::from_error(error)),
        _ => Ok(()),
    }
}

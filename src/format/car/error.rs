//! What can be wrong with a CAR, and where.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

use crate::pin::counted;

/// What is wrong with a CAR, and at which byte.
#[derive(Debug)]
pub struct CarError {
    /// The offset from the start of the file: of the field that is wrong, of the section that is cut off, or of the
    /// data that do not match.
    pub offset: u64,
    /// What is wrong.
    pub problem: CarProblem,
}

/// What is wrong with a CAR.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarProblem {
    /// The file cannot be read; the cause is the error's source.
    #[error("cannot read the file")]
    Io(io::Error),
    /// The file ends too early.
    #[error("the file ends inside {0}")]
    Truncated(&'static str),
    /// A length that is written too long or is too large.
    #[error("a malformed varint")]
    Varint,
    /// A header of more than [`MAX_HEADER`](super::MAX_HEADER) bytes.
    #[error("a header of {0} bytes, and no more than {max} are read", max = super::MAX_HEADER)]
    HeaderTooLong(u64),
    /// The header is not what the format asks for.
    #[error("no CAR header: {0}")]
    Header(&'static str),
    /// A CAR of another version, or a CARv2 inside a CARv2.
    #[error("CAR version {0}, and version 1 belongs here")]
    Version(u64),
    /// The offsets of a CARv2 contradict the file or each other.
    #[error("a CARv2 header that cannot be: {0}")]
    Offsets(&'static str),
    /// A section of length zero.
    #[error("a section without a block")]
    EmptySection,
    /// A section of more than [`MAX_SECTION`](super::MAX_SECTION) bytes.
    #[error("a section of {0} bytes, and no more than {max} are read", max = super::MAX_SECTION)]
    SectionTooLong(u64),
    /// A section does not begin with a CID.
    #[error("no CID: {0}")]
    Cid(&'static str),
    /// The data of a block are not what its CID names.
    #[error("the data of block {0} do not match its hash")]
    Hash(String),
    /// The file goes on after its end.
    #[error("{} after the end of the blocks", counted(*.0, "byte", "bytes"))]
    TrailingBytes(u64),
    /// More blocks than are worth remembering.
    #[error("more than {0} blocks of JSON")]
    TooManyBlocks(usize),
    /// A block that is linked to is not in the file.
    #[error("block {0} is missing")]
    MissingBlock(String),
    /// A sound CAR that holds something else.
    #[error("a CAR, but no backup of pin mappings: {0}")]
    NotABackup(&'static str),
    /// A backup of a version that this reader does not know.
    #[error("a backup of version `{0}`, and 1.0 and 1.1 are known")]
    BackupVersion(String),
    /// A block of a backup does not hold what it should.
    #[error("block {cid} of the backup: {reason}")]
    Content {
        /// The block's CID.
        cid: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Lists of lists that go deeper, or lead further, than a backup of this size needs.
    #[error("block {0} links in circles or too deep")]
    Endless(String),
}

impl CarError {
    /// The error as one of the file at `path`.
    pub fn in_file(self, path: &Path) -> crate::Error {
        match self.problem {
            CarProblem::Io(source) => crate::Error::Read { path: path.into(), source },
            problem => {
                let place = format!("byte {}", self.offset);
                crate::Error::Format { path: path.into(), place, problem: problem.to_string() }
            }
        }
    }

    pub(super) fn new(offset: u64, problem: CarProblem) -> CarError {
        CarError { offset, problem }
    }

    /// An error of the file, met while reading at `offset`.
    pub(super) fn io(offset: u64, error: io::Error) -> CarError {
        CarError::new(offset, CarProblem::Io(error))
    }
}

impl fmt::Display for CarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.problem, self.offset)
    }
}

impl Error for CarError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            CarProblem::Io(error) => Some(error),
            _ => None,
        }
    }
}

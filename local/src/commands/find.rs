//! Where this program is: the template of the current folder, and the data folder beside it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::template::Document;

/// The template of the current folder or of the nearest one above it, as cargo finds Cargo.toml.
pub(super) struct Here {
    path: PathBuf,
    /// The template.
    pub(super) template: Document,
}

impl Here {
    /// Finds and reads the template.
    ///
    /// # Errors
    ///
    /// Returns one sentence if there is none, or if it is not YAML.
    pub(super) fn find() -> anyhow::Result<Self> {
        let here = std::env::current_dir().context("the current folder is gone")?;
        let found = here
            .ancestors()
            .map(|folder| folder.join("template.yaml"))
            .find(|path| path.is_file());
        let found = found.context("there is no template.yaml in this folder or above it")?;
        // Paths below the current folder are shorter without it.
        let path = found
            .strip_prefix(&here)
            .map(Path::to_path_buf)
            .unwrap_or(found);
        let template = Document::read(&path)?;
        Ok(Self { path, template })
    }

    /// Returns the data folder, unless a flag names another.
    pub(super) fn data_dir(&self) -> PathBuf {
        let root = self.path.parent().unwrap_or(Path::new("."));
        root.join(".latchkey")
    }
}

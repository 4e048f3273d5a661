//! Systems: a manifest says what there is, a plan says it to init, an image holds all that is needed to boot.
//!
//! A manifest is read ([`manifest`]), its modules are found ([`modules`]), its names are given what they stand for ([`link`]),
//! and out come the [`plan`] and the [`image`], or all that is wrong ([`problems`]). [`graph`] says who can reach whom.

#![expect(clippy::result_large_err, reason = "a problem is made once, where something is refused")]

pub(crate) mod graph;
pub(crate) mod image;
mod link;
mod manifest;
mod modules;
mod order;
pub(crate) mod plan;
mod problems;
mod recorder;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use limen_assembler::{Diagnostics, SourceFile};

use crate::failure::Failure;
use crate::files;
use image::Image;
use manifest::Manifest;
use modules::{Modules, Part};
use plan::Plan;
use problems::Problems;

/// What the built-in system's manifest is called.
pub(crate) const BUILT_IN: &str = "system.toml";

/// Larger manifests are refused: init could not start so many services.
const LARGEST: u64 = 1 << 20;

/// A manifest's text and where it lies.
pub(crate) struct Source {
    file: SourceFile,
    /// Whether all calls can be recorded, also if the manifest says nothing of that.
    is_recorded: bool,
    /// Where the files lie that it names.
    directory: PathBuf,
}

impl Source {
    /// A manifest in a file, or on standard input for `-`; the built-in system's if there is no path.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            let file = SourceFile::new(BUILT_IN, limen_os_services::MANIFEST.to_owned());
            return Ok(Self { file, is_recorded: false, directory: PathBuf::from(".") });
        };
        let text = files::read_text_at_most(path, LARGEST)?;
        let name = if files::is_dash(path) { "<stdin>".into() } else { path.to_string_lossy() };
        Ok(Self { file: SourceFile::new(name, text), is_recorded: false, directory: files::directory_of(path) })
    }

    /// The same with a recorder.
    pub(crate) fn recorded(self) -> Self {
        Self { is_recorded: true, ..self }
    }

    /// What there is and who is given what, without the modules.
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        Ok(self.link()?.plan)
    }

    /// All that a machine boots from.
    pub(crate) fn image(&self) -> Result<Image, Failure> {
        let Linked { manifest, mut plan, kernel, init, parts } = self.link()?;
        for interface in &init.serves {
            if !plan.interfaces.contains(interface) {
                plan.interfaces.push(interface.clone());
            }
        }
        Ok(Image {
            kernel: kernel.bytes,
            modules: std::iter::once(init).chain(parts).map(|part| part.bytes).collect(),
            plan: plan.encode(),
            devices: plan.devices.iter().map(|(_, sort)| *sort).collect(),
            memory: manifest.system.memory.value,
        })
    }

    fn link(&self) -> Result<Linked, Diagnostics> {
        let problems = Problems::default();
        let mut manifest = problems.finish(&self.file, manifest::read(&self.file, &problems))?;
        if self.is_recorded {
            recorder::add(&mut manifest, &problems);
        }
        let mut modules = Modules::new(&self.directory, &problems);
        let plan = link::link(&manifest, &mut modules, &problems);
        let kernel = modules.kernel(manifest.system.kernel.as_ref());
        let init = modules.init(manifest.system.init.as_ref());
        let (kernel, init) = problems.finish(&self.file, kernel.zip(init))?;
        link::check_room(&manifest, &plan, [&kernel, &init], &problems);
        let parts = problems.finish(&self.file, Some(modules.into_parts()))?;
        Ok(Linked { manifest, plan, kernel, init, parts })
    }
}

/// A manifest with what its names stand for.
struct Linked {
    manifest: Manifest,
    plan: Plan,
    kernel: Part,
    init: Part,
    /// The modules of the services.
    parts: Vec<Part>,
}

//! `limen build`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::failure::Failure;
use crate::files;
use crate::system::image::Image;
use crate::system::{BUILT_IN, Source};

/// Make a boot image of a system that a manifest describes
///
/// Everything is checked: that each service is given what its module takes, that the modules verify, that the machine has
/// what the accounts promise. The same manifest and modules give the same bytes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The manifest; `-` for standard input; by default that of the built-in system
    manifest: Option<PathBuf>,

    /// Where to write the image; `-` for standard output [default: MANIFEST with the ending .img, or system.img]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Add what `limen boot --record` needs; it does nothing in a system that is not recorded
    #[arg(long)]
    record: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let source = Source::open(arguments.manifest.as_deref())?;
    let source = if arguments.record { source.recorded() } else { source };
    let bytes = source.image()?.write();
    // Nobody should learn at boot that an image does not read.
    Image::read(&bytes).map_err(Failure::new)?;
    let manifest = arguments.manifest.as_deref().unwrap_or(Path::new(BUILT_IN));
    files::write(&files::output_path(manifest, arguments.output.as_deref(), "img"), &bytes)?;
    Ok(ExitCode::SUCCESS)
}

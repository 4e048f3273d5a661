//! The subcommands, one file each.

pub(crate) mod asm;
pub(crate) mod boot;
pub(crate) mod build;
pub(crate) mod ctl;
pub(crate) mod dis;
pub(crate) mod doc;
pub(crate) mod fmt;
pub(crate) mod graph;
pub(crate) mod import;
pub(crate) mod new;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod test;
pub(crate) mod trace;
pub(crate) mod verify;

//! What the integration tests share.

pub(crate) mod directive;
pub(crate) mod literal;
pub(crate) mod program;
pub(crate) mod restored;

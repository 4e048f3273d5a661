//! Systems: a manifest says what there is, a plan says it to init, an image holds all that is needed to boot.

pub(crate) mod image;

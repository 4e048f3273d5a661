//! The programs of `programs/`, against the tools of the host that they are named after and against known answers.

mod all;
mod base64;
mod computations;
mod grep;
mod gunzip;
mod json;
mod sort;
mod streams;
mod sums;
mod support;
mod wc;

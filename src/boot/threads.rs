//! Threads that wait for the host, of which nobody waits for the end.

/// Starts one. A host that gives no thread is as good as one that never answers.
pub(crate) fn start(name: &str, run: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(run) {
        eprintln!("limen: {name}: the host gives no thread: {error}");
    }
}

//! A system with a recorder, for those whose manifest names none.

use limen_assembler::{Diagnostic, SourceFile};

use super::image::DeviceSort;
use super::manifest::{self, Manifest, Named};
use super::problems::Problems;

/// Adds the service that records, and its device, unless there is such a device. It is the first to be started, so that it sees
/// what the others do.
pub(crate) fn add(manifest: &mut Manifest, problems: &Problems) {
    if manifest.devices.iter().any(|device| device.it == DeviceSort::Record) {
        return;
    }
    let file = SourceFile::new("recorder.toml", limen_os_services::RECORDER.to_owned());
    let recorder = manifest::read(&file, &Problems::default()).expect("the recorder's own manifest is sound");
    check_names(&recorder.devices, &manifest.devices, problems);
    check_names(&recorder.services, &manifest.services, problems);
    manifest.devices.extend(recorder.devices);
    manifest.services.splice(0..0, recorder.services);
}

/// That nothing else has the names of what is added.
fn check_names<T>(added: &[Named<T>], there: &[Named<T>], problems: &Problems) {
    for Named { name, .. } in there.iter().filter(|it| added.iter().any(|added| added.name.value == it.name.value)) {
        problems.add(Diagnostic::new(name.span, "what records the system's calls has this name"));
    }
}

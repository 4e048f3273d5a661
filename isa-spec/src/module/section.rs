//! Numbers and names of sections.

pub(super) const TYPES: u32 = 1;
pub(super) const FUNCTIONS: u32 = 2;
pub(super) const CODE: u32 = 3;
pub(super) const HOME: u32 = 4;
pub(super) const TABLES: u32 = 5;
pub(super) const EXPORTS: u32 = 6;
pub(super) const DEBUG: u32 = 7;
pub(super) const INTERFACES: u32 = 8;

/// The name of a section that this version knows.
pub(super) fn name(id: u32) -> Option<&'static str> {
    const NAMES: [&str; INTERFACES as usize] =
        ["types", "functions", "code", "home", "tables", "exports", "debug", "interfaces"];
    NAMES.get(id.checked_sub(TYPES)? as usize).copied()
}

/// What messages call a section: its name, or its number if it has none.
pub(super) fn title(id: u32) -> String {
    name(id).map_or_else(|| format!("{id:#x}"), str::to_owned)
}

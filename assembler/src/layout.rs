//! Data in home: how large each area is, where it lies, and what bytes it holds.

use crate::ast::{DataItem, Expr, Float, Name, Text};
use crate::clauses;
use crate::constants::{Constants, Value, out_of_range};
use crate::diagnostic::{Diagnostic, Errors};
use crate::globals::{Area, Globals};
use crate::source::Span;
use crate::suggest;

/// Addresses below are left free by the automatic layout, so that 0 can mean "none".
const FIRST_ADDRESS: u64 = 16;

/// The alignment of areas that state none.
const DEFAULT_ALIGNMENT: u64 = 8;

/// One past the greatest address of home.
const HOME_END: u64 = 1 << 32;

/// The most bytes that one `data` or section may hold; larger areas are for `reserve`, which takes no room in the module.
const MAX_DATA: u64 = 1 << 28;

/// What an area takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// In bytes.
    pub(crate) size: u64,
    /// The largest `align` inside; 1 if there is none.
    pub(crate) align: u64,
}

/// Where an area wants to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    align: Option<u64>,
    at: Option<u64>,
}

/// What one line of data holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integers { bytes: u64 },
    Float32,
    Float64,
    Zero,
    Align,
}

const KINDS: [(&str, Kind); 8] = [
    ("u8", Kind::Integers { bytes: 1 }),
    ("u16", Kind::Integers { bytes: 2 }),
    ("u32", Kind::Integers { bytes: 4 }),
    ("u64", Kind::Integers { bytes: 8 }),
    ("f32", Kind::Float32),
    ("f64", Kind::Float64),
    ("zero", Kind::Zero),
    ("align", Kind::Align),
];

fn kind(name: &Name) -> Option<Kind> {
    KINDS.iter().find(|(listed, _)| *listed == &*name.text).map(|(_, kind)| *kind)
}

/// The extent of an area, from what can be known before any address is.
pub(crate) fn extent(area: Area<'_>, constants: &Constants<'_>, errors: &mut Errors) -> Option<Extent> {
    match area {
        Area::Data(data) => contents_extent(&data.contents, data.name.span, constants, errors),
        Area::Reserve(reserve) => {
            let size = constants.integer(&reserve.size, 0, i128::from(HOME_END), errors)?;
            Some(Extent { size: size as u64, align: 1 })
        }
    }
}

/// The extent of what stands between the braces of data or a section.
pub(crate) fn contents_extent(
    contents: &[DataItem],
    name: Span,
    constants: &Constants<'_>,
    errors: &mut Errors,
) -> Option<Extent> {
    let mut extent = Extent { size: 0, align: 1 };
    let mut complete = true;
    for item in contents {
        complete &= add_item(&mut extent, item, constants, errors).is_some();
        if extent.size > MAX_DATA {
            errors.add(|| too_large(name));
            return None;
        }
    }
    complete.then_some(extent)
}

fn too_large(name: Span) -> Diagnostic {
    Diagnostic::new(name, "this holds more than 256 MiB of data").help(["`reserve` takes no room in the module"])
}

fn add_item(extent: &mut Extent, item: &DataItem, constants: &Constants<'_>, errors: &mut Errors) -> Option<()> {
    match item {
        DataItem::Strings(strings) => {
            extent.size += strings.iter().map(|text| text.bytes.len() as u64).sum::<u64>();
        }
        DataItem::Values { kind: name, values } => {
            let Some(kind) = kind(name) else {
                errors.add(|| unknown_kind(name));
                return None;
            };
            for value in values {
                extent.size += width(kind, value, extent, constants, errors)?;
            }
        }
    }
    Some(())
}

/// How many bytes one value of a line takes; notes alignments in `extent`.
fn width(kind: Kind, value: &Expr, extent: &mut Extent, constants: &Constants<'_>, errors: &mut Errors) -> Option<u64> {
    match kind {
        Kind::Integers { bytes } => Some(bytes),
        Kind::Float32 => Some(4),
        Kind::Float64 => Some(8),
        Kind::Zero => constants.integer(value, 0, i128::from(MAX_DATA), errors).map(|size| size as u64),
        Kind::Align => {
            let align = alignment(value, constants, errors)?;
            extent.align = extent.align.max(align);
            Some(extent.size.next_multiple_of(align) - extent.size)
        }
    }
}

fn unknown_kind(name: &Name) -> Diagnostic {
    Diagnostic::new(name.span, format!("there is no kind of data `{}`", name.text))
        .note("data are strings, u8, u16, u32, u64, f32, f64, zero and align")
        .help(suggest::similar(&name.text, KINDS.map(|(name, _)| name)))
}

fn alignment(expr: &Expr, constants: &Constants<'_>, errors: &mut Errors) -> Option<u64> {
    let align = constants.integer(expr, 1, 1 << 16, errors)? as u64;
    if !align.is_power_of_two() {
        errors.add(|| Diagnostic::new(expr.span, "an alignment is a power of two").label(format!("this is {align}")));
        return None;
    }
    Some(align)
}

/// What the clauses of an area ask for.
pub(crate) fn place(area: Area<'_>, constants: &Constants<'_>, errors: &mut Errors) -> Option<Place> {
    let [align, at] = clauses::read(area.clauses(), ["align", "at"], errors);
    let mut place = Place { align: None, at: None };
    if let Some(expr) = align {
        place.align = Some(alignment(expr, constants, errors)?);
    }
    if let Some(expr) = at {
        place.at = Some(constants.integer(expr, 0, i128::from(HOME_END), errors)? as u64);
    }
    Some(place)
}

/// The addresses of all areas.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    addresses: Vec<u64>,
    /// The end of the last area.
    end: u64,
}

/// An area that has its place.
#[derive(Clone, Copy)]
struct Placed {
    start: u64,
    end: u64,
    area: usize,
}

impl Layout {
    /// Gives every area its place: first those that say where, then data, then reserves, each kind in the order of the
    /// source, from [`FIRST_ADDRESS`] up and around what is placed already.
    pub(crate) fn compute(globals: &Globals<'_>, constants: &Constants<'_>, errors: &mut Errors) -> Option<Self> {
        let wishes: Option<Vec<(Extent, Place)>> =
            (0..globals.areas.len()).map(|area| constants.extent(area).zip(constants.place(area))).collect();
        let wishes = wishes?;
        let fixed = fixed_areas(globals, &wishes, errors)?;
        let mut layout = Self { addresses: vec![0; wishes.len()], end: 0 };
        for placed in &fixed {
            layout.put(*placed);
        }
        layout.place_rest(globals, &wishes, &fixed, errors)?;
        Some(layout)
    }

    pub(crate) fn address(&self, area: usize) -> Option<u64> {
        self.addresses.get(area).copied()
    }

    /// How many bytes of home the areas need.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    fn put(&mut self, placed: Placed) {
        self.addresses[placed.area] = placed.start;
        self.end = self.end.max(placed.end);
    }

    fn place_rest(
        &mut self,
        globals: &Globals<'_>,
        wishes: &[(Extent, Place)],
        fixed: &[Placed],
        errors: &mut Errors,
    ) -> Option<()> {
        let free = |area: &usize| wishes[*area].1.at.is_none();
        let is_data = |area: &usize| matches!(globals.areas[*area], Area::Data(_));
        let data = (0..wishes.len()).filter(free).filter(is_data);
        let reserves = (0..wishes.len()).filter(free).filter(|area| !is_data(area));
        let mut gaps = Gaps { next: FIRST_ADDRESS, fixed };
        for area in data.chain(reserves) {
            let (extent, place) = wishes[area];
            let start = gaps.take(extent.size, place.align.unwrap_or(DEFAULT_ALIGNMENT).max(extent.align));
            let placed = Placed { start, end: start + extent.size, area };
            if placed.end > HOME_END {
                errors.add(|| beyond_home(globals.areas[area].name()));
                return None;
            }
            self.put(placed);
        }
        Some(())
    }
}

fn beyond_home(name: &Name) -> Diagnostic {
    Diagnostic::new(name.span, format!("`{}` does not fit into home", name.text)).note("home has at most 4 GiB")
}

/// The areas that say where they lie, in the order of their addresses.
fn fixed_areas(globals: &Globals<'_>, wishes: &[(Extent, Place)], errors: &mut Errors) -> Option<Vec<Placed>> {
    let mut fixed = Vec::new();
    let mut correct = true;
    for (area, (extent, place)) in wishes.iter().enumerate() {
        let Some(start) = place.at else { continue };
        let placed = Placed { start, end: start + extent.size, area };
        let name = globals.areas[area].name();
        let align = place.align.unwrap_or(1).max(extent.align);
        if placed.end > HOME_END {
            errors.add(|| beyond_home(name));
            correct = false;
        } else if start % align != 0 {
            errors.add(|| misaligned(name, start, align));
            correct = false;
        }
        fixed.push(placed);
    }
    fixed.sort_by_key(|placed| (placed.start, placed.end));
    correct &= !report_overlaps(globals, &fixed, errors);
    correct.then_some(fixed)
}

fn misaligned(name: &Name, address: u64, align: u64) -> Diagnostic {
    Diagnostic::new(name.span, format!("the address of `{}` is not aligned", name.text))
        .label(format!("{address:#x} is no multiple of {align}"))
}

fn report_overlaps(globals: &Globals<'_>, fixed: &[Placed], errors: &mut Errors) -> bool {
    let mut overlaps = false;
    let mut last: Option<Placed> = None;
    for placed in fixed.iter().filter(|placed| placed.start < placed.end) {
        if let Some(last) = last.filter(|last| placed.start < last.end) {
            overlaps = true;
            let (name, other) = (globals.areas[placed.area].name(), globals.areas[last.area].name());
            errors.add(|| {
                Diagnostic::new(name.span, format!("`{}` and `{}` overlap", name.text, other.text))
                    .label(format!("begins at {:#x}", placed.start))
                    .also(other.span, format!("ends at {:#x}", last.end))
            });
        }
        last = last.filter(|last| last.end > placed.end).or(Some(*placed));
    }
    overlaps
}

/// The room between areas that have their place.
struct Gaps<'p> {
    next: u64,
    /// Those that end after `next`.
    fixed: &'p [Placed],
}

impl Gaps<'_> {
    /// The first address from where `size` bytes are free.
    fn take(&mut self, size: u64, align: u64) -> u64 {
        loop {
            let start = self.next.next_multiple_of(align);
            match self.fixed.split_first() {
                Some((first, rest)) if first.start == first.end || first.end <= start => self.fixed = rest,
                Some((first, _)) if first.start < start + size => self.next = first.end,
                _ => {
                    self.next = start + size;
                    return start;
                }
            }
        }
    }
}

/// The bytes of what stands between braces, whose extent is known.
pub(crate) fn bytes(contents: &[DataItem], extent: Extent, constants: &Constants<'_>, errors: &mut Errors) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(extent.size as usize);
    for item in contents {
        match item {
            DataItem::Strings(strings) => strings.iter().for_each(|Text { bytes: text, .. }| bytes.extend(text)),
            DataItem::Values { kind: name, values } => {
                let Some(kind) = kind(name) else { continue };
                values.iter().for_each(|value| push_value(&mut bytes, kind, value, constants, errors));
            }
        }
    }
    bytes
}

fn push_value(bytes: &mut Vec<u8>, kind: Kind, value: &Expr, constants: &Constants<'_>, errors: &mut Errors) {
    match kind {
        Kind::Integers { bytes: width } => {
            let (min, max) = (-(1_i128 << (8 * width - 1)), (1_i128 << (8 * width)) - 1);
            let value = constants.integer(value, min, max, errors).unwrap_or(0);
            bytes.extend(&value.to_le_bytes()[..width as usize]);
        }
        Kind::Float32 => bytes.extend(float32(value, constants, errors).unwrap_or(0).to_le_bytes()),
        Kind::Float64 => bytes.extend(float64(value, constants, errors).unwrap_or(0).to_le_bytes()),
        Kind::Zero => {
            let count = constants.integer(value, 0, i128::from(MAX_DATA), errors).unwrap_or(0);
            bytes.resize(bytes.len() + count as usize, 0);
        }
        Kind::Align => {
            let align = alignment(value, constants, errors).unwrap_or(1);
            bytes.resize(bytes.len().next_multiple_of(align as usize), 0);
        }
    }
}

/// The bits of a binary32 constant.
pub(crate) fn float32(expr: &Expr, constants: &Constants<'_>, errors: &mut Errors) -> Option<u32> {
    match constants.evaluate(expr, errors)? {
        Value::Float(Float { double, single }) if single.is_finite() || !double.is_finite() => {
            return Some(single.to_bits());
        }
        Value::Float(_) => errors.add(|| Diagnostic::new(expr.span, "this does not fit a 32-bit float")),
        Value::Bits(bits) if bits <= u64::from(u32::MAX) => return Some(bits as u32),
        Value::Bits(bits) => errors.add(|| out_of_range(expr.span, i128::from(bits), 0, i128::from(u32::MAX))),
        Value::Integer(value) if fits_64_bits(value) && value as f32 as i128 == value => {
            return Some((value as f32).to_bits());
        }
        Value::Integer(_) => errors.add(|| inexact(expr.span, 32)),
    }
    None
}

/// The bits of a binary64 constant.
pub(crate) fn float64(expr: &Expr, constants: &Constants<'_>, errors: &mut Errors) -> Option<u64> {
    match constants.evaluate(expr, errors)? {
        Value::Float(Float { double, .. }) => return Some(double.to_bits()),
        Value::Bits(bits) => return Some(bits),
        Value::Integer(value) if fits_64_bits(value) && value as f64 as i128 == value => {
            return Some((value as f64).to_bits());
        }
        Value::Integer(_) => errors.add(|| inexact(expr.span, 64)),
    }
    None
}

/// Beyond, converting forth and back proves nothing, since it saturates.
fn fits_64_bits(value: i128) -> bool {
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value)
}

fn inexact(span: Span, width: u32) -> Diagnostic {
    Diagnostic::new(span, format!("no {width}-bit float is exactly this integer"))
        .help(["write it with a `.0` to have it rounded"])
}

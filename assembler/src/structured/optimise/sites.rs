//! The calls that became the bodies of their functions, for backtraces.

use crate::source::Span;
use crate::structured::code::Item;
use crate::structured::compiler::Entry;

/// A call that is no more.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The name of the function that was called.
    pub(crate) function: String,
    /// Where it was called.
    pub(crate) span: Span,
    /// The call that this call itself came with: an earlier site.
    pub(crate) parent: Option<u32>,
}

/// The sites that the functions that stay have instructions of. They are numbered anew.
pub(crate) fn used_sites(entries: &mut [Entry<'_>], kept: &[u32], sites: &[Site]) -> Vec<Site> {
    let mut used = vec![false; sites.len()];
    each_site(entries, kept, |site| used[*site as usize] = true);
    for index in (0..sites.len()).rev() {
        if let (true, Some(parent)) = (used[index], sites[index].parent) {
            used[parent as usize] = true;
        }
    }
    let mut place = vec![0; sites.len()];
    let mut list: Vec<Site> = Vec::new();
    for (index, site) in sites.iter().enumerate().filter(|(index, _)| used[*index]) {
        place[index] = list.len() as u32;
        list.push(Site { parent: site.parent.map(|parent| place[parent as usize]), ..site.clone() });
    }
    each_site(entries, kept, |site| *site = place[*site as usize]);
    list
}

fn each_site(entries: &mut [Entry<'_>], kept: &[u32], mut visit: impl FnMut(&mut u32)) {
    for number in kept {
        for item in entries[*number as usize].code.iter_mut().flat_map(|code| &mut code.items) {
            if let Item::Inst(inst) = item {
                inst.site.iter_mut().for_each(&mut visit);
            }
        }
    }
}

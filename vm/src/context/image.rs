//! Contexts as data, for snapshots.

use limen_isa::module::Module;

use super::{Context, FIRST_FRAME, State};
use crate::account::AccountKey;
use crate::engine::PageWait;
use crate::port::OwnPort;
use crate::room::Cells;
use crate::snapshot::{ContextImage, StateImage};
use crate::store::DomainKey;
use crate::verify::Verified;

impl Context {
    /// What it is doing, with what belongs to that.
    pub(crate) fn state_image(&self) -> StateImage {
        match self.port.state {
            State::Ready => StateImage::Ready,
            State::InSvc => StateImage::InSvc(self.port.given(), self.port.taken()),
            State::Faulted(fault, detail) => StateImage::Faulted(fault, detail),
            State::WaitsForPage(_) => StateImage::WaitsForPage,
            State::Finished => StateImage::Finished(self.returned.clone()),
        }
    }

    /// All its frames, which it goes on with as before; none if it is finished.
    pub(crate) fn frames_image(&mut self, module: &Verified<Module>) -> Vec<super::Frame> {
        if self.port.state == State::Finished {
            return Vec::new();
        }
        self.settle(module);
        self.frames(module)
    }

    /// A context that was captured. It comes to a stack when it is to run.
    pub(crate) fn of_image(domain: DomainKey, owner: AccountKey, image: &ContextImage) -> Self {
        let mut port = OwnPort::new();
        let mut returned = None;
        port.state = match &image.state {
            StateImage::Ready => State::Ready,
            StateImage::InSvc(given, taken) => {
                port.exchange(*given, *taken);
                State::InSvc
            }
            StateImage::Faulted(fault, detail) => State::Faulted(*fault, *detail),
            StateImage::WaitsForPage => State::WaitsForPage(PageWait::forgotten()),
            StateImage::Finished(results) => {
                returned.clone_from(results);
                State::Finished
            }
        };
        Self {
            domain,
            owner,
            port,
            stack: Cells::none(),
            captured: (!matches!(image.state, StateImage::Finished(_))).then(|| image.frames.clone()),
            native: None,
            has_foreign_frames: true,
            cells: image.cells,
            fp: FIRST_FRAME,
            fresh: image.fresh,
            returned,
            is_answered: false,
        }
    }
}

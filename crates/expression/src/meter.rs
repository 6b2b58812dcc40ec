//! What an evaluation may cost, counted before the work is done. No clock: the same expression over the same values ends at the same step.

use crate::fault::{Fault, FaultKind};
use crate::limits;

/// What one evaluation, or the rendering of one template, may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Steps: see [`limits::STEPS_MAX`], the default.
    pub steps: u64,
    /// Bytes that are made on the way; [`limits::MADE_BYTES_MAX`] by default.
    pub made_bytes: usize,
    /// Bytes of the result of each expression as compact JSON; [`limits::RESULT_BYTES_MAX`] by default.
    pub result_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: limits::STEPS_MAX, made_bytes: limits::MADE_BYTES_MAX, result_bytes: limits::RESULT_BYTES_MAX }
    }
}

/// Which part of the budget ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It took too many steps.
    Steps,
    /// It made too many bytes.
    MadeBytes,
}

/// What is left.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: Budget,
    steps: u64,
    made: usize,
}

/// Bytes of text that are read in one step.
const TEXT_PER_STEP: usize = 64;

impl Meter {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, steps: 0, made: 0 }
    }

    /// Steps until now.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) fn result_bytes(&self) -> usize {
        self.budget.result_bytes
    }

    /// Takes so many steps.
    pub(crate) fn take<'a>(&mut self, steps: u64) -> Result<(), Fault<'a>> {
        let sum = self.steps.saturating_add(steps);
        if sum > self.budget.steps {
            return Err(Fault::here(FaultKind::Budget(Spent::Steps, self.budget.steps)));
        }
        self.steps = sum;
        Ok(())
    }

    /// Reads so many bytes of text.
    pub(crate) fn read<'a>(&mut self, bytes: usize) -> Result<(), Fault<'a>> {
        self.take((bytes / TEXT_PER_STEP) as u64)
    }

    /// Makes so many bytes, which also takes time.
    pub(crate) fn make<'a>(&mut self, bytes: usize) -> Result<(), Fault<'a>> {
        let sum = self.made.saturating_add(bytes);
        if sum > self.budget.made_bytes {
            return Err(Fault::here(FaultKind::Budget(Spent::MadeBytes, self.budget.made_bytes as u64)));
        }
        self.made = sum;
        self.read(bytes)
    }
}

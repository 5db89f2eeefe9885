//! Admission over the years: a mirror whose clock is an argument of every step. No program is started here, so that nothing
//! else holds on to the lock of a store.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod earlier_admission;
#[cfg(test)]
mod mirror;

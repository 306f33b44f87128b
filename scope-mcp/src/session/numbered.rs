//! Maps by numbers that are given out here, one after the other.

use std::collections::HashMap;

use crate::spread::BySpread;

pub(super) type Numbered<T> = HashMap<u64, T, BySpread>;

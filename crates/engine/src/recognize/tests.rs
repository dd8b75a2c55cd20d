//! Generated texts with and without what is looked for.

use super::*;

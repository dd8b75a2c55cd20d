#!/bin/sh
# What cargo calls instead of the compiler for the crates of this repository: the same, and it counts what is run.
exec "$@" -Cinstrument-coverage

//! The command line from outside: what it prints, where, and with which exit code.

mod configured;
mod defined;
mod definitions;
mod import;
mod imported;
mod objects;
mod running;
mod schedules;
mod site;

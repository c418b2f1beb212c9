//! The daemon: see ARCHITECTURE.md for the map.

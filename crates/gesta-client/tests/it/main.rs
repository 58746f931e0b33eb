//! The client against live servers.

mod application;
mod consumer;
mod database;
mod event_service;
mod examples;
mod faults;
mod laws;
mod served;
mod subscription;

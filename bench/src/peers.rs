//! The systems that Gesta is measured beside, with settings that answer after the flush.

mod postgres;
mod redis;

pub(crate) use postgres::Postgres;
pub(crate) use redis::Redis;

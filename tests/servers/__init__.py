"""Databases and brokers behind Telegraf and collectd: real ones, each on free ports of its own."""

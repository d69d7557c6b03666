"""The MQTT broker: Debian's mosquitto as a lossy transport, its access rules, the link to it."""

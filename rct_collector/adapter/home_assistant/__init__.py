"""Home Assistant learns by itself what units have: discovery by MQTT.

::

    batches ─► discovery ─► document of a unit ─► agent ─► broker, retained ─► Home Assistant
                   │             ▲
                   │        entities: one for each series, classes from the catalogue
                   └─ when: at the start, when there is something new, once an hour

* ``topics`` tells where an agent puts the values, and how these are taken out of its messages.
* ``entities`` makes an entity of a series.
* ``discovery`` gathers what a unit has, and tells when its document is due.

Source: Home Assistant's documentation of its integration MQTT, "Discovery messages, device
discovery payload", and of the platforms sensor and binary_sensor.
"""

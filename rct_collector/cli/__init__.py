"""The command ``rct-collector``, for people.

::

    main ─► one module per command ─► targets ─► collect ─► snapshot ─► layout, format
            (loaded when asked for)   which       one round  latest      how it looks
                                      devices     or many    values

Nothing heavy is imported at the top of a command's module, so that help and completion are
there at once.
"""

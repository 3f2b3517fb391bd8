"""Which room may include which: the arrows of ARCHITECTURE.md, as a table.

    base <- loop <- net, store <- datapath <- attach
    base <- replication <- datapath
    base <- kvdb <- catalog <- placement, fingerprint <- reconcile
    catalog, placement, fingerprint, reconcile, datapath, attach <- volumes <- plugin, admin <- agent
    base <- http <- plugin, admin
    base <- export <- cli

Plugin and admin see the data plane through volumes only. Code generated from proto/ may be included by all
(it has no room in its include path).
"""

DATA_PLANE = {"loop", "net", "store", "replication", "datapath"}
METADATA = {"kvdb", "catalog", "placement", "fingerprint", "reconcile"}

ROOMS = {
    "base": set(),
    "loop": {"base"},
    "net": {"base", "loop"},
    "store": {"base", "loop"},
    "replication": {"base"},
    "datapath": {"base", "loop", "net", "store", "replication"},
    "attach": {"base"} | DATA_PLANE,
    "kvdb": {"base"},
    "catalog": {"base", "kvdb"},
    "placement": {"base", "kvdb", "catalog"},
    "fingerprint": {"base", "kvdb", "catalog"},
    "reconcile": {"base", "kvdb", "catalog", "placement", "fingerprint"},
    "volumes": {"base", "attach"} | DATA_PLANE | METADATA,
    "http": {"base"},
    "plugin": {"base", "http", "volumes"} | METADATA,
    "admin": {"base", "http", "volumes"} | METADATA,
    "agent": {"base", "attach", "volumes", "http", "plugin", "admin"} | DATA_PLANE | METADATA,
    "export": {"base"},
    "cli": {"base", "export"},
    "tools": {"base", "loop", "store"},
}

# Beside ROOM/ROOM.h, and all of base: what a room shows to the others.
PUBLIC = {
    "datapath/volume.h", "datapath/dataplane.h",
    "replication/message.h",
    "store/changes.h",  # what of a snapshot is newer than an older one
    "store/checksums.h",  # grains' checksums that may still have to be read
    "store/device.h",
    "store/ondisk.h",  # the format itself, for tools
    "store/usage.h",  # what replicas and snapshots take
    "store/probe.h",  # how fast a pool is, for whoever judges that
    "catalog/accept.h",
    "catalog/care.h",
    "placement/rebalance.h",
    "catalog/import.h",
    "catalog/policy.h",
    "catalog/pin.h",
    "catalog/shards.h",
    "catalog/snapshots.h",
    "volumes/care.h",
    "volumes/import.h",
    "volumes/look.h",
    "volumes/config.h",
    "volumes/usage.h",
}


def is_public(path):
    room, _, header = path.partition("/")
    return room == "base" or header == room + ".h" or path in PUBLIC


def is_cyclic():
    """Whether the table itself has lost its direction."""
    left = {room: set(allowed) for room, allowed in ROOMS.items()}
    while left:
        done = [room for room, allowed in left.items() if not allowed & left.keys()]
        if not done:
            return True
        for room in done:
            del left[room]
    return False


def check(sources):
    """Violations, as (file, line, words)."""
    wrong = []
    if is_cyclic():
        wrong.append(("tests/tidy/arrows.py", 1, "the table of rooms has a cycle"))
    for source in sources:
        top, _, rest = source.name.partition("/")
        own = rest.split("/")[0] if top == "src" else None
        # A unit test may look into its own room.
        guest = rest.split("/")[1] if rest.startswith("unit/") else None
        if top == "src" and own not in ROOMS:
            wrong.append((source.name, 1, f"'{own}' is no room; tests/tidy/arrows.py knows them"))
            continue
        for line, path in source.includes():
            wrong += [(source.name, line, words) for words in check_include(own, guest, path)]
    return wrong


def check_include(own, guest, path):
    room, slash, _ = path.partition("/")
    if path.endswith(".c"):
        yield f"includes {path}: nobody includes a .c file"
    if not slash:
        # Generated from proto/, a test's neighbour, or a mistake: rooms' headers are named with their room.
        if own and not path.endswith(".pb-c.h"):
            yield f'includes "{path}": write it with its room, "ROOM/{path}"'
    elif room not in ROOMS:
        if own:
            yield f"includes {path}: '{room}' is no room"
    elif own and room != own and room not in ROOMS[own]:
        yield f"includes {path}: the arrow from {own} to {room} points the wrong way"
    elif own and room != own and not is_public(path):
        yield f"includes {path}: it is private to {room}; use {room}/{room}.h"
    elif own is None and guest and room != guest and not is_public(path):
        yield f"includes {path}: it is private to {room}, and this is a test of {guest}"

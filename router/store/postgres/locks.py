"""The numbers of the advisory locks that nodes take, all of two numbers of which the first is ``LOCKS``.

The lock of a line is of one number, that of its call, and so meets none of these.
"""

from __future__ import annotations

#: "call" in ASCII; any other number would do that no other program on the database uses.
LOCKS = 0x63616C6C
#: Held by one node at a time, in its worker's session. A share's own number is the lock of its routing.
LEADER = 64
#: Held for a transaction: to bring the tables up to date, to join, and to tell of something.
MIGRATING = -1
MEMBERS = -2
TELLING = -3
#: Held for a transaction: to make and drop tables of days.
MAKING = -4

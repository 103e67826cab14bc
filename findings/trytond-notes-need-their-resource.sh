#!/bin/sh
# What: trytond lets administrators search notes by their text, and no other user, whatever rights that user has.
# Versions: trytond 8.2.1, proteus 8.2.0 (of this year).
# Expected: a user in every group finds the notes that an administrator finds, or fewer of them.
# Observed: "You are not allowed to search" unless the domain says of what (["resource", "=" or "in", ...]).
# Why it matters: an integration is tried as admin, works, and fails for the user with few rights that it is given.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q trytond==8.2.1 proteus==8.2.0 2> /dev/null
cat > "$folder/trytond.conf" << CONF
[database]
uri = sqlite://
path = $folder
CONF
touch "$folder/t.sqlite"
echo correct-horse-battery > "$folder/password"
TRYTONPASSFILE="$folder/password" "$folder/venv/bin/trytond-admin" -c "$folder/trytond.conf" -d t -u res \
    --email admin@example.com < /dev/null > /dev/null 2>&1
"$folder/venv/bin/python" - "$folder/trytond.conf" << 'PYTHON'
import sys

from proteus import Model, config

config.set_trytond("sqlite:///t", config_file=sys.argv[1])
user = Model.get("res.user")(name="Clerk", login="clerk", password="correct-horse-battery", email="c@example.com")
user.groups.extend(Model.get("res.group").find([]))
user.save()
Note = Model.get("ir.note")
note = Note(message="counted", resource=user)
note.save()
assert len(Note.find([("message", "=", "counted")])) == 1
print("admin finds the note by its text")

config.set_trytond("sqlite:///t", user="clerk", config_file=sys.argv[1])
Note = Model.get("ir.note")
try:
    Note.find([("message", "=", "counted")])
except Exception as error:
    assert "not allowed to search" in str(error), error
    print(f"a user in every group: {error}")
else:
    sys.exit("trytond searches notes for everybody now")
assert len(Note.find([("resource", "=", f"res.user,{user.id}"), ("message", "=", "counted")])) == 1
print("the same user finds it when the domain says of what it is a note")
PYTHON

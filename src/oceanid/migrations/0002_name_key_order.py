"""On PostgreSQL, names are found by their beginning in byte order, whatever its locale."""

from django.db import migrations


def byte_order(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            'ALTER TABLE oceanid_job ALTER COLUMN name_key TYPE varchar(100) COLLATE "C"'
        )


class Migration(migrations.Migration):
    dependencies = [("oceanid", "0001_initial")]
    operations = [migrations.RunPython(byte_order, migrations.RunPython.noop)]

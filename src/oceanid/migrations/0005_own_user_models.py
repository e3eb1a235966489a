"""A batch's user as a key of the site's own user model, whatever that key is."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("oceanid", "0004_pages_indexes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RenameField("batch", "user_id", "user"),
        migrations.AlterField(
            "batch",
            "user",
            models.ForeignKey(
                to=settings.AUTH_USER_MODEL,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                db_index=False,
                db_constraint=False,
            ),
        ),
    ]

"""Report on a sweep, also while it is running: python scripts/sweep_report.py FOLDER (see --help)."""

from pinn_ac.app.commands import sweep_report

if __name__ == "__main__":
    sweep_report()

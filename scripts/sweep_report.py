"""Report on a sweep, also while it is running: python scripts/sweep_report.py FOLDER (see --help)."""

from pinn_ac.app.sweep_report import main

if __name__ == "__main__":
    main()

"""The application around the library, which never imports it: configs, commands, run folders, sweeps and reports."""

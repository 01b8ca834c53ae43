from stablerep.study.commands.main import main

if __name__ == "__main__":
    main()
